use proptest::prelude::*;

use super::*;

fn digest(byte: u8) -> SegmentDigest {
    let mut hash = SegmentHasher::new(b"ts");
    hash.update(&[byte]);
    hash.finish()
}

fn new(ledger: &mut PushLedger<u64>, sequence: u64, body: u8) -> (Ticket, bool) {
    match ledger.claim(sequence, digest(body), || sequence * 1_000 + u64::from(body)) {
        Claim::New { ticket, out_of_order, .. } => (ticket, out_of_order),
        Claim::Known(_) | Claim::Full => panic!("{sequence} is known, or the ledger full"),
    }
}

fn known(ledger: &mut PushLedger<u64>, sequence: u64, body: u8) -> Option<u64> {
    match ledger.claim(sequence, digest(body), || 0) {
        Claim::Known(handle) => Some(handle),
        Claim::New { ticket, .. } => {
            ledger.settle(ticket, None);
            None
        }
        Claim::Full => panic!("full"),
    }
}

#[test]
fn a_repeated_segment_gets_the_handle_of_the_first_under_way_and_answered() {
    let mut ledger = PushLedger::new(100);
    let (ticket, _) = new(&mut ledger, 5, 1);
    assert_eq!(known(&mut ledger, 5, 1), Some(5_001));
    ledger.settle(ticket, Some(10));
    assert_eq!(known(&mut ledger, 5, 1), Some(5_001));
    assert_eq!((ledger.bytes(), ledger.under_way()), (10, 0));
}

#[test]
fn what_failed_is_new_again() {
    let mut ledger = PushLedger::new(100);
    let (ticket, _) = new(&mut ledger, 5, 1);
    ledger.settle(ticket, None);
    assert_eq!(known(&mut ledger, 5, 1), None);
}

#[test]
fn another_body_under_the_same_number_takes_its_place() {
    let mut ledger = PushLedger::new(100);
    let (first, _) = new(&mut ledger, 5, 1);
    ledger.settle(first, Some(10));
    let (second, out_of_order) = new(&mut ledger, 5, 2);
    assert!(!out_of_order);
    assert_eq!(ledger.bytes(), 0, "the old answer is gone at once");
    ledger.settle(second, Some(20));
    assert_eq!(known(&mut ledger, 5, 2), Some(5_002));
    assert_eq!(known(&mut ledger, 5, 1), None);
}

#[test]
fn a_body_that_was_replaced_under_way_is_answered_but_not_kept() {
    let mut ledger = PushLedger::new(100);
    let (first, _) = new(&mut ledger, 5, 1);
    let (second, _) = new(&mut ledger, 5, 2);
    assert_eq!(known(&mut ledger, 5, 1), Some(5_001));
    ledger.settle(second, Some(1));
    ledger.settle(first, Some(1));
    assert_eq!(known(&mut ledger, 5, 2), Some(5_002));
    assert_eq!(ledger.bytes(), 1);
    assert_eq!(known(&mut ledger, 5, 1), None);
}

#[test]
fn numbers_behind_the_last_are_out_of_order_and_repeats_are_not() {
    let mut ledger = PushLedger::new(100);
    let order = [(7, false), (9, false), (8, true), (8, false), (9, false), (0, true), (1, false)];
    for (body, (sequence, expected)) in (0..).zip(order) {
        let (ticket, out_of_order) = new(&mut ledger, sequence, body);
        assert_eq!(out_of_order, expected, "{sequence}");
        ledger.settle(ticket, Some(1));
    }
}

#[test]
fn twelve_answers_are_kept_and_no_more_bytes_than_allowed() {
    let mut ledger = PushLedger::new(100);
    for sequence in 0..20 {
        let (ticket, _) = new(&mut ledger, sequence, 0);
        ledger.settle(ticket, Some(1));
    }
    assert_eq!(ledger.bytes(), 12);
    assert_eq!(known(&mut ledger, 7, 0), None);
    assert_eq!(known(&mut ledger, 8, 0), Some(8_000));
    let (ticket, _) = new(&mut ledger, 20, 0);
    ledger.settle(ticket, Some(95));
    assert_eq!(ledger.bytes(), 100);
    let (ticket, _) = new(&mut ledger, 21, 0);
    ledger.settle(ticket, Some(101));
    assert_eq!(known(&mut ledger, 21, 0), None, "what fits nowhere is not kept");
    assert_eq!(ledger.bytes(), 100, "and takes nobody's place");
}

#[test]
fn so_many_are_under_way_and_no_more() {
    let mut ledger = PushLedger::new(100);
    let tickets: Vec<_> = (0..12).map(|sequence| new(&mut ledger, sequence, 0).0).collect();
    assert_eq!(ledger.claim(12, digest(0), || 0), Claim::Full);
    assert_eq!(known(&mut ledger, 11, 0), Some(11_000), "what is known needs no room");
    ledger.settle(tickets[0], Some(1));
    assert!(matches!(ledger.claim(12, digest(0), || 0), Claim::New { .. }));
}

#[test]
fn what_was_asked_for_belongs_to_the_digest() {
    let of = |asked: &[u8], body: &[u8]| {
        let mut hash = SegmentHasher::new(asked);
        hash.update(body);
        hash.finish()
    };
    assert_ne!(of(b"a", b"x"), of(b"b", b"x"));
    assert_ne!(of(b"ab", b"c"), of(b"a", b"bc"));
    let mut pieces = SegmentHasher::new(b"a");
    pieces.update(b"he");
    pieces.update(b"llo");
    assert_eq!(pieces.finish(), of(b"a", b"hello"));
}

proptest! {
    #[test]
    fn bounds_hold_and_no_segment_is_under_way_twice(
        steps in prop::collection::vec((0..6_u64, 0..3_u8, 0..60_usize, 0..3_u8), 0..200),
    ) {
        let mut ledger = PushLedger::new(100);
        let mut open: Vec<(u64, u8, Ticket)> = Vec::new();
        for (sequence, body, bytes, action) in steps {
            if action == 0 {
                match ledger.claim(sequence, digest(body), || 0_u64) {
                    Claim::New { ticket, .. } => {
                        prop_assert!(open.iter().all(|it| (it.0, it.1) != (sequence, body)));
                        open.push((sequence, body, ticket));
                    }
                    Claim::Known(_) => {}
                    Claim::Full => prop_assert_eq!(open.len(), UNDER_WAY_MAX),
                }
            } else if !open.is_empty() {
                let (_, _, ticket) = open.remove(bytes % open.len());
                ledger.settle(ticket, (action == 1).then_some(bytes));
                ledger.settle(ticket, Some(bytes));
            }
            prop_assert_eq!(ledger.under_way(), open.len());
            let kept: usize = ledger.entries.iter().filter_map(|entry| match entry.state {
                State::Answered(bytes) => Some(bytes),
                State::UnderWay | State::Superseded => None,
            }).sum();
            prop_assert_eq!(ledger.bytes(), kept);
            prop_assert!(kept <= 100);
            prop_assert!(ledger.entries.len() - open.len() <= KEPT_MAX);
        }
    }
}
