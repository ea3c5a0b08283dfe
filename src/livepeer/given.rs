//! What the operator has said: arguments win over variables, and those over the file of `-config`.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use super::{
    flag::{Flag, Kind, switch},
    flag_table::{self, CONFIG},
};
use crate::config::Fault;

/// A value, and where it stands.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) value: String,
    /// The place for people: `-orchAddr`, `LP_ORCHADDR`, or the file and its key.
    pub(super) place: String,
}

/// Every flag that somebody gave a value.
#[derive(Default)]
pub(super) struct Given(BTreeMap<&'static str, Said>);

impl Given {
    /// Reads all three sources.
    pub(super) fn read(
        arguments: &[String],
        variables: &BTreeMap<String, String>,
        read_file: impl Fn(&Path) -> io::Result<String>,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let mut given = Self::default();
        let mut config = given.read_arguments(arguments, faults);
        given.read_variables(variables, faults);
        if config.is_none() {
            let variable = variables.get("LP_CONFIG").filter(|path| !path.is_empty());
            config = variable.map(PathBuf::from);
        }
        if let Some(path) = config {
            let place = path.display().to_string();
            match read_file(&path) {
                Ok(text) => given.read_plain(&text, &place, faults),
                Err(error) => faults.push(fault(place, format!("can't be read: {error}"))),
            }
        }
        given
    }

    /// What was said about a flag.
    pub(super) fn get(&self, name: &str) -> Option<&Said> {
        self.0.get(name)
    }

    /// The command line, by the rules of Go's `flag` package; the last word on a flag holds. Returns
    /// the file of `-config`.
    fn read_arguments(&mut self, arguments: &[String], faults: &mut Vec<Fault>) -> Option<PathBuf> {
        let mut config = None;
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let bare =
                argument.strip_prefix('-').map(|rest| rest.strip_prefix('-').unwrap_or(rest));
            let Some(bare) = bare.filter(|bare| !bare.is_empty()) else {
                let text = "not a flag: go-livepeer reads no further here; a switch takes its value after \"=\", as in -httpIngest=false";
                // It may be a secret that lost its flag.
                faults.push(fault("argument without a flag", text));
                return config;
            };
            let (name, value) = match bare.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (bare, None),
            };
            let place = format!("-{name}");
            let is_config = name == CONFIG;
            let kind = if is_config { Some(Kind::Value) } else { kind_of(name) };
            let Some(kind) = kind else {
                faults.push(unknown(&place, name));
                return config;
            };
            let value = match (value, kind) {
                (Some(value), _) => value,
                (None, Kind::Switch) => "true".to_owned(),
                (None, Kind::Value) => match arguments.next() {
                    Some(value) => value.clone(),
                    None => {
                        faults.push(fault(place, "needs a value"));
                        return config;
                    }
                },
            };
            if is_config {
                config = Some(PathBuf::from(value));
            } else {
                self.say(name, value, place, faults);
            }
        }
        config
    }

    fn read_variables(&mut self, variables: &BTreeMap<String, String>, faults: &mut Vec<Fault>) {
        for flag in flag_table::flags() {
            let name = flag.variable();
            let value = variables.get(&name).filter(|value| !value.is_empty());
            if let Some(value) = value.filter(|_| !self.0.contains_key(flag.name)) {
                self.say(flag.name, value.clone(), name, faults);
            }
        }
    }

    /// Lines of `key value`; a key alone is a switch that is on.
    fn read_plain(&mut self, text: &str, place: &str, faults: &mut Vec<Fault>) {
        let earlier: Vec<_> = self.0.keys().copied().collect();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = line.split_once(' ').unwrap_or((line, "true"));
            let value = value.find(" #").and_then(|at| value.get(..at)).unwrap_or(value).trim();
            let name = name.trim_start_matches('-');
            let place = format!("{place}, {name}");
            if kind_of(name).is_none() {
                faults.push(unknown(&place, name));
            } else if !earlier.contains(&name) {
                self.say(name, value.to_owned(), place, faults);
            }
        }
    }

    fn say(&mut self, name: &str, value: String, place: String, faults: &mut Vec<Fault>) {
        let Some(flag) = flag_table::find(name) else { return };
        if flag.kind == Kind::Switch && switch(&value).is_none() {
            faults.push(fault(place, "expected true or false"));
            return;
        }
        self.0.insert(flag.name, Said { value, place });
    }
}

fn kind_of(name: &str) -> Option<Kind> {
    flag_table::find(name).map(|flag| flag.kind)
}

fn unknown(place: &str, name: &str) -> Fault {
    let alike = |flag: &&Flag| flag.name.eq_ignore_ascii_case(name);
    let problem = match flag_table::flags().find(alike) {
        Some(flag) => format!("go-livepeer has no such flag; it has -{}", flag.name),
        None => "go-livepeer has no such flag".to_owned(),
    };
    fault(place, problem)
}

fn fault(path: impl Into<String>, problem: impl Into<String>) -> Fault {
    Fault { path: path.into(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(line: &[&str], variables: &[(&str, &str)], file: &str) -> (Given, Vec<String>) {
        let mut faults = Vec::new();
        let line: Vec<_> = line.iter().map(|&it| it.to_owned()).collect();
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let file = |_: &Path| Ok(file.to_owned());
        let given = Given::read(&line, &variables.collect(), file, &mut faults);
        (given, faults.iter().map(Fault::to_string).collect())
    }

    fn value<'a>(given: &'a Given, name: &str) -> Option<&'a str> {
        given.get(name).map(|said| said.value.as_str())
    }

    #[test]
    fn flags_are_written_as_go_allows() {
        let line = ["-orchAddr", "a,b", "--rtmpAddr=:1", "-gateway", "-httpIngest=F", "-v", "-1"];
        let (given, faults) = read(&line, &[], "");
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(value(&given, "orchAddr"), Some("a,b"));
        assert_eq!(value(&given, "rtmpAddr"), Some(":1"));
        assert_eq!(value(&given, "gateway"), Some("true"));
        assert_eq!(value(&given, "httpIngest"), Some("F"));
        assert_eq!(value(&given, "v"), Some("-1"));
        let (given, _) = read(&["-v", "4", "-v=5"], &[], "");
        assert_eq!(value(&given, "v"), Some("5"), "the last word holds");
    }

    #[test]
    fn a_flag_wins_over_its_variable_and_that_over_the_file() {
        let file = "# a comment\n\nhttpAddr file:1 # and more\n-cliAddr file:2\nrtmpAddr file:3\nmonitor\nregion  a b\n";
        let variables = [("LP_CLIADDR", "env:2"), ("LP_RTMPADDR", "env:3"), ("LP_REGION", "")];
        let (given, faults) = read(&["-rtmpAddr", "flag:3", "-config", "f"], &variables, file);
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(value(&given, "httpAddr"), Some("file:1"));
        assert_eq!(value(&given, "cliAddr"), Some("env:2"));
        assert_eq!(value(&given, "rtmpAddr"), Some("flag:3"));
        assert_eq!(value(&given, "monitor"), Some("true"));
        assert_eq!(value(&given, "region"), Some("a b"), "an empty variable says nothing");
        assert_eq!(given.get("httpAddr").unwrap().place, "f, httpAddr");
        let (given, _) = read(&[], &[("LP_CONFIG", "f")], "v 6");
        assert_eq!(value(&given, "v"), Some("6"));
    }

    #[test]
    fn what_go_would_not_read_is_named_and_never_quoted() {
        let faults = |line: &[&str]| read(line, &[], "").1.join("\n");
        assert!(faults(&["-httpIngest", "sesame"]).contains("-httpIngest=false"));
        assert!(!faults(&["-httpIngest", "sesame"]).contains("sesame"));
        assert!(faults(&["-orchaddr", "x"]).contains("it has -orchAddr"));
        assert!(faults(&["-nonsense"]).starts_with("-nonsense: go-livepeer has no such flag"));
        assert!(faults(&["-orchAddr"]).contains("needs a value"));
        assert!(faults(&["-monitor=sesame"]).starts_with("-monitor: expected true or false"));
        assert!(!faults(&["-monitor=sesame"]).contains("sesame"));
        assert!(faults(&["--", "-v"]).contains("not a flag"));
        let (_, faults) = read(&["-config=f"], &[], "nonsense sesame");
        assert_eq!(faults, ["f, nonsense: go-livepeer has no such flag"]);
    }

    proptest! {
        #[test]
        fn any_line_and_file_are_read(
            line in prop::collection::vec("-{0,3}(v|monitor|orchAddr|config)?=?.{0,4}", 0..5),
            file in "(.{0,9}\n?){0,5}",
        ) {
            let line: Vec<_> = line.iter().map(String::as_str).collect();
            let _read = read(&line, &[], &file);
        }
    }
}
