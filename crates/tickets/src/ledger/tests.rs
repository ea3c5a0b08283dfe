//! Vectors of livepeer-wire §9.6, and what holds after any run of attempts.

use proptest::prelude::*;

use super::*;

fn wei(text: &str) -> Wei {
    text.parse().unwrap()
}

/// A ledger with that credit.
fn with_credit(balance: &str) -> Ledger {
    let mut ledger = Ledger::default();
    let nothing = ledger.stage(&Wei::zero(), &Wei::zero()).unwrap();
    ledger.settle(nothing, Outcome::Done(-wei(balance)));
    assert_eq!(ledger.balance(), &wei(balance));
    ledger
}

fn adds_up(ledger: &Ledger) -> bool {
    let LedgerTotals { sent, in_flight, debited, written_off, in_doubt } = ledger.totals();
    let places = [ledger.balance(), in_flight, debited, written_off, in_doubt];
    &places.into_iter().cloned().sum::<Wei>() == sent
}

#[test]
fn tickets_are_the_networks() {
    for (credit, minimum, ev, tickets) in [
        ("2", "1", "1", 0),
        ("2", "2", "1", 0),
        ("1", "5", "1", 4),
        ("1/4", "2", "1", 2),
        ("-5", "2", "1", 7),
        ("0", "2", "1", 2),
        ("0", "0", "7", 1),
        ("0", "100", "0", 0),
    ] {
        let mut ledger = with_credit(credit);
        let staged = ledger.stage(&wei(minimum), &wei(ev)).unwrap();
        let added = wei(ev).times(u64::from(tickets));
        assert_eq!(staged.tickets(), tickets, "{credit} {minimum} {ev}");
        assert_eq!((staged.added(), staged.carried()), (&added, &wei(credit)));
        assert!(ledger.balance().is_zero(), "the attempt took all of it");
        ledger.settle(staged, Outcome::Withdrawn);
        assert_eq!(ledger, with_credit(credit));
    }
}

#[test]
fn outcomes_are_booked_as_the_network_does() {
    let after = |outcome| {
        let mut ledger = with_credit("1/2");
        let staged = ledger.stage(&wei("3"), &wei("2")).unwrap();
        assert_eq!(staged.tickets(), 2);
        let settlement = ledger.settle(staged, outcome);
        assert!(adds_up(&ledger));
        let totals = ledger.totals();
        assert_eq!(totals.written_off, settlement.written_off);
        assert_eq!((totals.in_doubt.clone(), &totals.in_flight), (settlement.in_doubt, &wei("0")));
        (
            ledger.balance().to_string(),
            settlement.written_off.to_string(),
            totals.in_doubt.to_string(),
        )
    };
    let expected = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(after(Outcome::NoAnswer), expected("1/2", "0", "4"));
    assert_eq!(after(Outcome::Failed), expected("0", "9/2", "0"));
    assert_eq!(after(Outcome::Done(wei("10/3"))), expected("7/6", "0", "0"));
    assert_eq!(after(Outcome::Done(wei("5"))), expected("-1/2", "0", "0"));
    assert_eq!(after(Outcome::Withdrawn), expected("1/2", "0", "0"));
}

#[test]
fn absurd_fees_and_units_are_refused() {
    let mut ledger = with_credit("1");
    let before = ledger.clone();
    let absurd = ledger.stage(&wei("4294967296"), &wei("1")).unwrap();
    assert_eq!(absurd.tickets(), u32::MAX);
    ledger.settle(absurd, Outcome::Withdrawn);
    let more = ledger.stage(&wei("4294967297"), &wei("1"));
    assert_eq!(more, Err(LedgerError::TooManyTickets));
    assert_eq!(ledger, before);

    let mut attempts = 0_u64;
    let refused = loop {
        match ledger.stage(&wei("1"), &wei("1")) {
            Ok(staged) => {
                // Odd units close to 2^63: hardly any two have a factor in common.
                let unit = i64::MAX.unsigned_abs() - 2 * attempts * attempts;
                ledger.settle(staged, Outcome::Done(wei(&format!("1/{unit}"))));
            }
            Err(error) => break error,
        }
        attempts += 1;
    };
    assert_eq!(refused, LedgerError::TooPrecise);
    assert!((30..60).contains(&attempts), "{attempts}");
    assert!(ledger.balance().to_string().len() < Wei::MAX_TEXT / 2);
}

#[derive(Clone, Debug)]
enum Step {
    Stage { fee: (u64, u64), ev: (u64, u64) },
    Settle { which: usize, outcome: Outcome },
}

fn fraction() -> impl Strategy<Value = (u64, u64)> {
    (0_u64..10_000_000_000_000, prop::sample::select(vec![1_u64, 2, 7, 1_000, 1_001, 12_345_679]))
}

fn amount((top, bottom): (u64, u64)) -> Wei {
    wei(&format!("{top}/{bottom}"))
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Withdrawn),
        Just(Outcome::NoAnswer),
        Just(Outcome::Failed),
        fraction().prop_map(|debit| Outcome::Done(amount(debit))),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (fraction(), fraction()).prop_map(|(fee, ev)| Step::Stage { fee, ev }),
        (any::<usize>(), outcome()).prop_map(|(which, outcome)| Step::Settle { which, outcome }),
    ]
}

proptest! {
    /// No wei appears, disappears or is counted twice, whatever the order of concurrent attempts.
    #[test]
    fn money_is_conserved(steps in prop::collection::vec(step(), 0..60)) {
        let mut ledger = Ledger::default();
        let mut in_flight: Vec<Staged> = Vec::new();
        for step in steps {
            match step {
                Step::Stage { fee, ev } => {
                    let (fee, ev) = (amount(fee), amount(ev));
                    let Ok(staged) = ledger.stage(&fee, &ev) else { continue };
                    let covered = staged.carried() + staged.added();
                    prop_assert!(ev.is_zero() || covered >= fee.clone().max(ev.clone()), "too few tickets");
                    prop_assert!(
                        staged.tickets() == 0 || &covered - &ev < fee.clone().max(ev.clone()),
                        "a ticket too many"
                    );
                    in_flight.push(staged);
                }
                Step::Settle { which, outcome } => {
                    if in_flight.is_empty() { continue }
                    let staged = in_flight.swap_remove(which % in_flight.len());
                    let (carried, added) = (staged.carried().clone(), staged.added().clone());
                    let withdrawn = outcome == Outcome::Withdrawn;
                    let Settlement { returned, debited, written_off, in_doubt } =
                        ledger.settle(staged, outcome);
                    let went: Wei = [returned, debited, written_off, in_doubt].into_iter().sum();
                    prop_assert_eq!(went, if withdrawn { carried } else { &carried + &added });
                }
            }
            prop_assert!(adds_up(&ledger));
            let staged: Wei = in_flight.iter().map(|staged| staged.carried() + staged.added()).sum();
            prop_assert_eq!(&ledger.totals().in_flight, &staged);
        }
    }
}
