use proptest::prelude::*;

use super::*;
use crate::fixture::{at, packet};

const PATIENCE: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Rig {
    health: TrackHealth,
    /// Sequence numbers as they were released; `None` for a hole.
    out: Vec<Option<u16>>,
}

impl Rig {
    fn insert(&mut self, reorder: &mut Reorder, sequence: u16, ms: u64) {
        let packet = Packet { arrived: at(ms), ..packet(sequence, 0, false, &[1; 10]) };
        reorder.insert(packet, &mut self.health);
        self.drain(reorder);
    }

    fn drain(&mut self, reorder: &mut Reorder) {
        while let Some(released) = reorder.pop() {
            self.out.push(match released {
                Released::Packet(packet) => Some(packet.sequence),
                Released::Hole => None,
            });
        }
    }
}

fn run(arrivals: &[(u16, u64)]) -> (Reorder, Rig) {
    let (mut reorder, mut rig) = (Reorder::new(PATIENCE), Rig::default());
    for (sequence, ms) in arrivals {
        rig.insert(&mut reorder, *sequence, *ms);
    }
    (reorder, rig)
}

#[test]
fn passes_over_the_end_of_the_numbers_in_order() {
    let (_, rig) = run(&[(65_534, 0), (0, 1), (65_535, 2), (1, 3)]);
    assert_eq!(rig.out, [Some(65_534), Some(65_535), Some(0), Some(1)]);
    assert_eq!((rig.health.reordered, rig.health.lost), (1, 0));
}

#[test]
fn tells_duplicates_from_late_packets() {
    let (mut reorder, mut rig) = run(&[(10, 0), (10, 1), (12, 2), (12, 3)]);
    assert_eq!(rig.health.duplicate, 2);
    assert_eq!(reorder.deadline(), Some(at(102)));
    reorder.expire(at(101), &mut rig.health);
    rig.drain(&mut reorder);
    assert_eq!(rig.out, [Some(10)]);
    reorder.expire(at(102), &mut rig.health);
    rig.insert(&mut reorder, 11, 103);
    rig.insert(&mut reorder, 9, 104);
    assert_eq!(rig.out, [Some(10), None, Some(12)]);
    assert_eq!((rig.health.lost, rig.health.late, rig.health.duplicate), (1, 2, 2));
    assert_eq!(reorder.deadline(), None);
}

#[test]
fn deadlines_of_many_holes_do_not_add_up() {
    let odd: Vec<_> = (0..100).map(|n| (n * 2, u64::from(n))).collect();
    let (mut reorder, mut rig) = run(&odd);
    reorder.expire(at(99 + 100), &mut rig.health);
    rig.drain(&mut reorder);
    assert_eq!((rig.health.lost, reorder.deadline()), (99, None));
    assert_eq!(rig.out.iter().flatten().count(), 100);
}

#[test]
fn a_hole_filled_in_part_keeps_its_deadline() {
    let (mut reorder, mut rig) = run(&[(1, 0), (6, 10), (4, 60)]);
    assert_eq!(reorder.deadline(), Some(at(110)));
    reorder.expire(at(110), &mut rig.health);
    rig.drain(&mut reorder);
    assert_eq!(rig.out, [Some(1), None, Some(4), None, Some(6)]);
    assert_eq!(rig.health.lost, 3);
}

#[test]
fn holds_no_more_than_its_bounds() {
    let (mut reorder, mut rig) = run(&[(0, 0)]);
    for sequence in 2..3_000 {
        rig.insert(&mut reorder, sequence, 0);
        assert!(reorder.held.len() <= PACKETS_MAX, "{sequence}");
    }
    assert_eq!((rig.health.lost, rig.out.len()), (1, 3_000));

    let (mut reorder, mut rig) = run(&[(0, 0)]);
    for sequence in 2..200 {
        let payload = vec![0; 60_000];
        let packet = Packet { arrived: at(0), ..packet(sequence, 0, false, &payload) };
        reorder.insert(packet, &mut rig.health);
        assert!(reorder.held_bytes <= BYTES_MAX, "{sequence}");
    }
    assert_eq!(rig.health.lost, 1);
}

#[test]
fn a_single_stray_is_dropped_and_two_start_anew() {
    let (mut reorder, mut rig) = run(&[(1, 0), (30_000, 1), (2, 2), (40_000, 3), (50_000, 4)]);
    assert_eq!((rig.out.clone(), rig.health.restarts), (vec![Some(1), Some(2)], 0));
    rig.insert(&mut reorder, 50_001, 5);
    rig.insert(&mut reorder, 50_002, 6);
    assert_eq!(rig.out, [1, 2, 0, 50_000, 50_001, 50_002].map(|n| (n > 0).then_some(n)));
    assert_eq!(rig.health.restarts, 1);
}

proptest! {
    /// Whatever comes, what is released goes up, nothing twice, and every gap has its hole.
    #[test]
    fn releases_in_order_and_tells_every_hole(
        arrivals in proptest::collection::vec((0_u16..400, 0_u64..20), 1..300),
        base in any::<u16>(),
    ) {
        let (mut reorder, mut rig) = (Reorder::new(PATIENCE), Rig::default());
        let mut now = 0;
        for (sequence, pause) in &arrivals {
            now += pause;
            rig.insert(&mut reorder, base.wrapping_add(*sequence), now);
            prop_assert!(reorder.held.is_empty() == reorder.holes.is_empty());
        }
        reorder.expire(at(now + 100), &mut rig.health);
        rig.drain(&mut reorder);
        let (mut last, mut hole) = (None, false);
        for number in &rig.out {
            match (number, last) {
                (None, _) => hole = true,
                (Some(number), Some(before)) => {
                    let step = number.wrapping_sub(before);
                    prop_assert!((1..400).contains(&step));
                    prop_assert_eq!(step > 1, hole);
                    (last, hole) = (Some(*number), false);
                }
                (Some(number), None) => last = Some(*number),
            }
        }
        let out = rig.out.iter().flatten().count();
        let dropped = usize::try_from(rig.health.duplicate + rig.health.late).unwrap();
        prop_assert_eq!(out + dropped, arrivals.len());
    }
}
