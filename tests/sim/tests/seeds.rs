//! Fifty seeds with every run of the tests; `make sim` runs a thousand.

use sim::{Detail, run};

#[test]
fn fifty_seeds_keep_every_invariant() {
    for seed in 0..50 {
        if let Err(violation) = run(seed, Detail::Events, None) {
            panic!(
                "seed {seed}: {violation}; reproduce: cargo run -p sim -- --seed {seed} --trace"
            );
        }
    }
}

#[test]
fn equal_seeds_give_equal_runs() {
    let trace = |seed| {
        let mut out = Vec::new();
        assert!(run(seed, Detail::Decisions, Some(&mut out)).is_ok(), "seed {seed}");
        out
    };
    for seed in [3, 17, 41] {
        let (first, again) = (trace(seed), trace(seed));
        assert!(first.len() > 10_000, "seed {seed} has a trace");
        assert_eq!(first, again, "seed {seed}");
    }
}
