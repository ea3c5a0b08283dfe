//! Sums of payments that are kept up to date with every entry, so that neither a report nor a start
//! reads the payments themselves.

use std::collections::BTreeMap;

use payer::{ReportLine, ReportTotals, SpentMinute};
use tickets::{Settlement, Wei};

use crate::{
    error::RowError,
    micros::to_time,
    payment::{SentRow, SettledRow, amount, positive},
};

/// Minutes for which spending is kept by the minute, those in which nothing was spent apart: two days or more.
pub(crate) const SPENT_MINUTES: i64 = 2 * 24 * 60;
/// Streams and owners, in pairs, of whom it is kept what they spent before those minutes. Where there are
/// more, those that spent nothing for longest are added up for their owner, and then for nobody in
/// particular: the fleet's sum stays exact, and they begin anew.
pub const MAX_SPENDERS: usize = 16_384;
/// Lines of a day, stream and orchestrator that are kept. Where there are more, those of the oldest day
/// become one line, without a stream and an orchestrator: its totals stay exact.
pub const MAX_DAY_LINES: usize = 250_000;

const MICROS_OF_A_MINUTE: i64 = 60_000_000;
const MICROS_OF_A_DAY: i64 = 24 * 60 * MICROS_OF_A_MINUTE;
/// Characters of an amount in a sum. Orchestrators choose the units of their prices: one that takes
/// ever others must not make sums grow without end. Half of what can be read back.
const MAX_AMOUNT_TEXT: usize = Wei::MAX_TEXT / 2;

/// The day of a time, in days since the Unix epoch, by UTC.
pub(crate) const fn day_of(micros: i64) -> i64 {
    micros.div_euclid(MICROS_OF_A_DAY)
}

/// The minute of a time, in minutes since the Unix epoch.
pub(crate) const fn minute_of(micros: i64) -> i64 {
    micros.div_euclid(MICROS_OF_A_MINUTE)
}

/// Which line of the report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DayKey {
    pub(crate) day: i64,
    pub(crate) stream: String,
    pub(crate) orchestrator: String,
}

/// The sums of a line, or what is to be added to one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DaySum {
    pub(crate) attempts: i64,
    pub(crate) segments: i64,
    pub(crate) pixels: i64,
    pub(crate) tickets: i64,
    /// Of segments, in microseconds.
    pub(crate) duration: i64,
    /// Sent, debited, written off, in doubt, in flight, left.
    pub(crate) amounts: [Wei; 6],
}

impl DaySum {
    fn of_sent(row: &SentRow) -> Self {
        let in_flight = &row.carried + &row.added;
        let left = -row.carried.clone();
        let zero = Wei::zero;
        Self {
            attempts: 1,
            tickets: row.tickets,
            amounts: [row.added.clone(), zero(), zero(), zero(), in_flight, left],
            ..Self::default()
        }
    }

    fn of_settled(row: &SettledRow, paid: &Paid) -> Self {
        let Paid { carried, added, duration, .. } = paid;
        let Settlement { returned, debited, written_off, in_doubt } = row.settlement.clone();
        let staged = carried + added;
        let unsent = if row.is_withdrawn() { -added.clone() } else { Wei::zero() };
        Self {
            segments: row.pixels.map_or(0, |_| 1),
            pixels: row.pixels.unwrap_or_default(),
            duration: row.pixels.map_or(0, |_| *duration),
            amounts: [unsent, debited, written_off, in_doubt, -staged, returned],
            ..Self::default()
        }
    }

    /// Both together; `None` where a column can't hold them.
    pub(crate) fn plus(&self, other: &Self) -> Option<Self> {
        let mut amounts = self.amounts.clone();
        for (sum, more) in amounts.iter_mut().zip(&other.amounts) {
            *sum += more;
        }
        let fits = amounts.iter().all(|sum| sum.to_string().len() <= MAX_AMOUNT_TEXT);
        fits.then_some(())?;
        Some(Self {
            attempts: self.attempts.checked_add(other.attempts)?,
            segments: self.segments.checked_add(other.segments)?,
            pixels: self.pixels.checked_add(other.pixels)?,
            tickets: self.tickets.checked_add(other.tickets)?,
            duration: self.duration.checked_add(other.duration)?,
            amounts,
        })
    }

    /// The sums that columns hold.
    ///
    /// # Errors
    /// When one holds no amount.
    pub(crate) fn read(counts: [i64; 5], amounts: &[String; 6]) -> Result<Self, RowError> {
        let [attempts, segments, pixels, tickets, duration] = counts;
        let [sent, debited, written_off, in_doubt, in_flight, left] = amounts;
        let amounts = [
            amount("sent", sent)?,
            amount("debited", debited)?,
            amount("written_off", written_off)?,
            amount("in_doubt", in_doubt)?,
            amount("in_flight", in_flight)?,
            amount("remainder", left)?,
        ];
        Ok(Self { attempts, segments, pixels, tickets, duration, amounts })
    }

    /// The line of the report.
    ///
    /// # Errors
    /// When a count is negative.
    pub(crate) fn line(self, key: DayKey) -> Result<ReportLine, RowError> {
        let [sent, debited, written_off, in_doubt, in_flight, left] = self.amounts;
        let totals = ReportTotals {
            attempts: positive("attempts", self.attempts)?,
            segments: positive("segments", self.segments)?,
            pixels: positive("pixels", self.pixels)?,
            tickets: positive("tickets", self.tickets)?,
            duration_micros: positive("duration", self.duration)?,
            sent,
            debited,
            written_off,
            in_doubt,
            in_flight,
            left,
        };
        let DayKey { day, stream, orchestrator } = key;
        Ok(ReportLine { stream, orchestrator, day: written_day(day), totals })
    }
}

/// Adds to the last of the sums, or begins another where that has no room.
pub(crate) fn add_to_last(sums: &mut Vec<DaySum>, more: DaySum) {
    match sums.last_mut().and_then(|last| last.plus(&more).map(|sum| (last, sum))) {
        Some((last, sum)) => *last = sum,
        None => sums.push(more),
    }
}

/// Whose spending, and in which minute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SpentKey {
    pub(crate) minute: i64,
    pub(crate) stream: String,
    /// Empty where there is none.
    pub(crate) owner: String,
}

/// What some entries change about the sums.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) days: BTreeMap<DayKey, Vec<DaySum>>,
    pub(crate) spent: BTreeMap<SpentKey, Wei>,
}

/// What has to be known of a payment to settle it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paid {
    pub(crate) at: i64,
    pub(crate) stream: String,
    pub(crate) owner: Option<String>,
    pub(crate) orchestrator: String,
    pub(crate) carried: Wei,
    pub(crate) added: Wei,
    pub(crate) duration: i64,
}

impl Paid {
    /// What a new payment's end will need.
    pub(crate) fn of(row: &SentRow) -> Self {
        Self {
            at: row.at,
            stream: row.stream.clone(),
            owner: row.owner.clone(),
            orchestrator: row.orchestrator.clone(),
            carried: row.carried.clone(),
            added: row.added.clone(),
            duration: row.duration,
        }
    }
}

impl Changes {
    /// Counts a payment.
    pub(crate) fn sent(&mut self, row: &SentRow) {
        self.add(row.at, &row.stream, &row.orchestrator, DaySum::of_sent(row));
        self.spend(row.at, &row.stream, row.owner.as_deref(), &row.added);
    }

    /// Counts how one ended, on the day on which it was made.
    pub(crate) fn settled(&mut self, row: &SettledRow, paid: &Paid) {
        let sum = DaySum::of_settled(row, paid);
        self.add(paid.at, &paid.stream, &paid.orchestrator, sum);
        if row.is_withdrawn() {
            self.spend(paid.at, &paid.stream, paid.owner.as_deref(), &-paid.added.clone());
        }
    }

    fn add(&mut self, at: i64, stream: &str, orchestrator: &str, sum: DaySum) {
        let (stream, orchestrator) = (stream.to_owned(), orchestrator.to_owned());
        let key = DayKey { day: day_of(at), stream, orchestrator };
        add_to_last(self.days.entry(key).or_default(), sum);
    }

    fn spend(&mut self, at: i64, stream: &str, owner: Option<&str>, spent: &Wei) {
        if spent.is_zero() {
            return;
        }
        let (stream, owner) = (stream.to_owned(), owner.unwrap_or_default().to_owned());
        let key = SpentKey { minute: minute_of(at), stream, owner };
        *self.spent.entry(key).or_default() += spent;
    }
}

/// What was spent: before the minutes that are kept, and by these.
///
/// # Errors
/// When a minute is none.
pub(crate) fn spent_so_far(
    before: Vec<(SpentKey, Wei)>,
    minutes: Vec<(SpentKey, Wei)>,
) -> Result<Vec<SpentMinute>, RowError> {
    let told = before.into_iter().chain(minutes).filter(|(_, spent)| !spent.is_zero());
    told.map(|(key, spent)| spent_minute(key, spent)).collect()
}

fn spent_minute(key: SpentKey, spent: Wei) -> Result<SpentMinute, RowError> {
    let at = to_time("minute", key.minute.saturating_mul(MICROS_OF_A_MINUTE))?;
    let owner = Some(key.owner).filter(|owner| !owner.is_empty());
    Ok(SpentMinute { at, stream: key.stream, owner, spent })
}

/// A day as `2026-11-28`, in the Gregorian calendar.
fn written_day(days: i64) -> String {
    let (year, month, day) = media::civil_date(days);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn days_are_written_as_people_write_them() {
        for (days, written) in [(-1, "1969-12-31"), (20_454, "2026-01-01")] {
            assert_eq!(written_day(days), written, "{days}");
        }
    }

    fn sum(sent: &str) -> DaySum {
        let mut sum = DaySum { attempts: 1, ..DaySum::default() };
        sum.amounts[0] = sent.parse().unwrap();
        sum
    }

    #[test]
    fn units_that_fit_no_sum_begin_another_part() {
        let mut sums = Vec::new();
        // The last two go together, and so do the first two, but not all of them.
        let small = format!("1/{}", "3".repeat(300));
        let other = format!("1/{}7", "9".repeat(800));
        for text in ["1", &small, &other, "2"] {
            add_to_last(&mut sums, sum(text));
        }
        assert_eq!(sums.len(), 2);
        assert_eq!(sums.iter().map(|sum| sum.attempts).sum::<i64>(), 4);
        let total: Wei = sums.iter().map(|sum| sum.amounts[0].clone()).sum();
        let expected: Wei =
            ["3", &small, &other].map(|it| it.parse::<Wei>().unwrap()).into_iter().sum();
        assert_eq!(total, expected);
    }

    #[test]
    fn pixels_that_fit_no_sum_begin_another_part() {
        let mut sums = vec![DaySum { pixels: i64::MAX, ..DaySum::default() }];
        add_to_last(&mut sums, DaySum { pixels: 1, ..DaySum::default() });
        assert_eq!(sums.iter().map(|sum| sum.pixels).collect::<Vec<_>>(), [i64::MAX, 1]);
    }

    #[test]
    fn what_is_spent_is_told_once() {
        let key = |minute, owner: &str| SpentKey {
            minute,
            stream: "cam".to_owned(),
            owner: owner.to_owned(),
        };
        let wei = |text: &str| text.parse::<Wei>().unwrap();
        let before = vec![(key(17, ""), wei("5")), (key(18, "me"), Wei::zero())];
        let minutes = vec![(key(9_000, "me"), wei("2")), (key(9_001, "me"), wei("1/3"))];
        let told = spent_so_far(before, minutes).unwrap();
        let at = |minutes: u64| UNIX_EPOCH + Duration::from_secs(minutes * 60);
        let expected =
            [(at(17), None, "5"), (at(9_000), Some("me"), "2"), (at(9_001), Some("me"), "1/3")];
        let told: Vec<_> =
            told.iter().map(|it| (it.at, it.owner.as_deref(), it.spent.to_string())).collect();
        let expected: Vec<_> =
            expected.into_iter().map(|(at, owner, spent)| (at, owner, spent.to_owned())).collect();
        assert_eq!(told, expected);
    }
}
