//! Statements, and many of them as one text.

use std::{borrow::Cow, fmt::Write as _};

use super::value::Value;

/// A statement that is written once for every engine: its parameters are `$1`, `$2` and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) sql: Cow<'static, str>,
    pub(super) values: Vec<Value>,
}

impl Statement {
    pub(super) fn new(sql: impl Into<Cow<'static, str>>, values: Vec<Value>) -> Self {
        Self { sql: sql.into(), values }
    }
}

/// Statements as one text, each with a semicolon; their parameters count on from one to the next.
pub(super) fn in_a_row(statements: impl IntoIterator<Item = Statement>) -> Statement {
    let mut text = String::new();
    let mut all = Vec::new();
    for Statement { sql, values } in statements {
        add(&mut text, &sql, all.len());
        text.push(';');
        all.extend(values);
    }
    Statement::new(text, all)
}

/// Adds a text whose parameters come after so many others. No text of ours has a `$` elsewhere.
fn add(text: &mut String, sql: &str, before: usize) {
    let mut parts = sql.split('$');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        let number = number.parse::<usize>().unwrap_or_default().saturating_add(before);
        // Writing to a text does not fail.
        write!(text, "${number}{rest}").unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_count_on_from_statement_to_statement() {
        let first = Statement::new("UPDATE t SET a = $2 WHERE b = $1", vec![1.into(), 2.into()]);
        let second = Statement::new("DELETE FROM t WHERE c = $1", vec![3.into()]);
        let begin = Statement::new("BEGIN", Vec::new());
        let all = in_a_row(vec![begin, first, second]);
        let text = "BEGIN;UPDATE t SET a = $2 WHERE b = $1;DELETE FROM t WHERE c = $3;";
        assert_eq!(all, Statement::new(text, vec![1.into(), 2.into(), 3.into()]));
    }
}
