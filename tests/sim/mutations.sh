#!/usr/bin/env bash
# Shows that the simulation sees what it should: breaks the routing on purpose, one line at a time, in a
# copy of the workspace, and expects each broken copy to fail. Builds in target/mutations.
#
#   tests/sim/mutations.sh [NAME...]    only these mutations
#   SEEDS=1000                          seeds for each
set -euo pipefail
cd "$(dirname "$0")/../.."

SEEDS=${SEEDS:-1000}
CARGO=${CARGO:-cargo}
export CARGO_TARGET_DIR=${MUTATIONS_TARGET_DIR:-$PWD/target/mutations}

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# What git tracks, as it is in the work tree.
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    if [[ -f $file ]]; then printf '%s\0' "$file"; fi
done | tar --create --null --files-from=- | tar --extract --directory="$copy"

router=router/src
# Name, file, and the sed script that breaks it.
mutations=(
    "breaker-removed|$router/fleet/breaker.rs|/pub(crate) fn passage/,/^    }/ s/match self.state {/if urgent || !urgent { return Passage::Free; }\n        match self.state {/"
    "release-order-removed|$router/dispatcher/release.rs|s/self.waiting.pop_front()/self.waiting.iter().position(|it| self.release_time(it) <= now).or(Some(0)).and_then(|at| self.waiting.remove(at))/; s/if self.release_time(head) > now {/if self.waiting.iter().all(|it| self.release_time(it) > now) {/"
    "hedge-budget-ignored|$router/extra_work.rs|s/self.saved >= WHOLE/self.saved < u32::MAX/"
    "price-cap-ignored|$router/price.rs|s/\*price <= most/price.wei() < u64::MAX || *price <= most/"
    "in-flight-limit-ignored|$router/fleet/node.rs|s/Passage::Free => configured,/Passage::Free => configured.saturating_mul(1_000),/"
    "session-limit-ignored|$router/roster/candidates.rs|s/session.in_flight >= self.config.in_flight_per_session/session.in_flight > self.config.in_flight_per_session/"
    "demotion-ignored|$router/fleet/node.rs|s/Some(until) if until > now => Passage::Closed { until },/Some(until) if until < now => Passage::Closed { until },/; s/is_some_and(|until| until > now)/is_some_and(|until| until < now)/"
    "deadline-ignored|$router/dispatcher/release.rs|s/None => deadline,/None => deadline + std::time::Duration::from_millis(50),/"
    "interval-ignored|$router/dispatcher.rs|s/due.min(last + interval))/due.min(last + 2 * interval))/"
    "quarantine-late|$router/dispatcher/endings.rs|s/^const WITNESSES: usize = 2;/const WITNESSES: usize = 3;/"
    "room-not-told|$router/fleet.rs|s/if self.waiting.is_awaited(address) {/if self.waiting.is_awaited(address) \&\& node.in_flight > 1_000 {/"
    "queue-unbounded|$router/dispatcher.rs|s/self.waiting.len() >= self.config.waiting_segments.max(1)/self.waiting.len() > self.config.waiting_segments.max(1)/"
    "others-not-woken|$router/fleet.rs|s/self.version += 1;/self.version += 0;/; s/self.version += u64::from(changed);/self.version += u64::from(changed) * 0;/"
    "hurry-removed|$router/roster.rs|s/self.losing || !self.has_live(now, fleet)/self.losing \&\& self.has_live(now, fleet) \&\& self.sessions.is_empty()/"
    "loser-not-cancelled|$router/dispatcher/endings.rs|/    fn cancel($/,/^    }/ s/self.outputs.push_back(Output::CancelAttempt(attempt.id));/if !matches!(\&outcome, AttemptOutcome::Cancelled { reason } if reason == \"another was faster\") { self.outputs.push_back(Output::CancelAttempt(attempt.id)); }/"
    "encoder-goes-on|$router/roster.rs|s/let force_session_reinit = session.used \&\& session.epoch != epoch;/let force_session_reinit = session.used \&\& session.epoch > epoch;/"
    "worst-is-chosen|$router/selection.rs|s/let best = usable.min_by_key/let best = usable.max_by_key/"
    "discontinuity-not-counted|playback/src/window.rs|s/self.discontinuity_sequence += u64::from(oldest.discontinuity);/self.discontinuity_sequence += 0;/"
)

build_and_run() {
    (cd "$copy" && "$CARGO" run --quiet --package sim -- --seeds "$SEEDS" --fail-fast 2>"$copy/errors")
}

if said=$(build_and_run); then
    echo "unbroken: $said"
else
    echo "the simulation fails as it is: $said" >&2
    cat "$copy/errors" >&2
    exit 1
fi

survived=0
for mutation in "${mutations[@]}"; do
    IFS='|' read -r name file _ <<<"$mutation"
    script=${mutation#*|*|}
    if (($#)) && [[ ! " $* " == *" $name "* ]]; then continue; fi
    cp "$copy/$file" "$copy/unbroken"
    sed -i "$script" "$copy/$file"
    if cmp -s "$copy/$file" "$copy/unbroken"; then
        echo "$name: changes nothing in $file" >&2
        exit 1
    fi
    if said=$(build_and_run); then
        echo "$name: NOT SEEN in $SEEDS seeds"
        survived=$((survived + 1))
    elif [[ -z $said ]]; then
        echo "$name: does not build" >&2
        cat "$copy/errors" >&2
        exit 1
    else
        said=${said%%$'\n'*}
        echo "$name: seen, ${said:0:160}"
    fi
    cp "$copy/unbroken" "$copy/$file"
    touch "$copy/$file"
done
if ((survived)); then
    echo "$survived mutations not seen"
    exit 1
fi
echo "every mutation was seen"
