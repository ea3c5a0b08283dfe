//! What publishers do.

use std::{collections::VecDeque, sync::Arc, time::SystemTime};

use media::PlaybackId;
use playback::{Epoch, PlaybackConfig, Window};
use router::{Dispatcher, Fleet};

use super::{Event, LiveStream, World, outputs::names};
use crate::{
    scenario::End,
    tiny_media::Source,
    violation::{Checked, Violation},
    watch::playlist::PlaylistBook,
};

impl World<'_> {
    /// A publisher is admitted, and its ladder settled.
    pub(super) fn begin(&mut self, stream: usize) -> Checked {
        let scenario = Arc::clone(&self.scenario);
        let Some(script) = scenario.streams.get(stream) else { return Ok(()) };
        for (index, push) in script.pushes.iter().enumerate() {
            if script.end.1 == End::Finish || push.at < script.end.0 {
                self.agenda.add(push.at, self.dice.seed(), Event::Push(stream, index));
            }
        }
        if let Some((at, _)) = script.later_ladder {
            self.agenda.add(at, self.dice.seed(), Event::Ladder(stream));
        }
        self.agenda.add(script.end.0, self.dice.seed(), Event::End(stream));
        self.line(
            stream,
            format_args!("begins, {:?} {:?}", script.policy, script.ladder.profiles().len()),
        );
        let id = self.fleet.admit_stream();
        let config = Arc::new(scenario.config.clone());
        let dispatcher = Dispatcher::new(config, id, script.policy.clone(), self.dice.seed());
        let epoch = Epoch::starting_at(SystemTime::UNIX_EPOCH);
        let config = Arc::new(PlaybackConfig::new(epoch));
        let named = PlaybackId::new(&format!("stream{stream}"));
        let named = named.map_err(|error| Violation::new(self.now, error.to_string()))?;
        let mut window = Window::new(config, named);
        window.set_ladder(&script.ladder);
        let later = script.later_ladder.iter().map(|(_, ladder)| &**ladder);
        self.streams.insert(
            stream,
            LiveStream {
                dispatcher,
                window,
                playlists: PlaylistBook::default(),
                names: names(std::iter::once(&*script.ladder).chain(later)),
                source: Source::new(),
                ladder: Arc::clone(&script.ladder),
                released: VecDeque::new(),
                wake: None,
                nudged: false,
            },
        );
        self.watch.begun(self.now, stream)?;
        let ladder = Arc::clone(&script.ladder);
        self.watch.set_ladder(stream, !ladder.is_empty(), &ladder)?;
        self.call(stream, |it, now, fleet| it.set_ladder(now, fleet, ladder))?;
        self.settle(stream)
    }

    pub(super) fn change_ladder(&mut self, stream: usize) -> Checked {
        let scenario = Arc::clone(&self.scenario);
        let script = scenario.streams.get(stream).and_then(|it| it.later_ladder.as_ref());
        let Some(((_, ladder), live)) = script.zip(self.streams.get_mut(&stream)) else {
            return Ok(());
        };
        let changes = *live.ladder != **ladder;
        live.window.set_ladder(ladder);
        live.ladder = Arc::clone(ladder);
        self.line(stream, format_args!("has {} renditions now", ladder.profiles().len()));
        self.watch.set_ladder(stream, changes, ladder)?;
        let ladder = Arc::clone(ladder);
        self.call(stream, |it, now, fleet| it.set_ladder(now, fleet, ladder))?;
        self.settle(stream)
    }

    /// A segment closes.
    pub(super) fn push(&mut self, stream: usize, index: usize) -> Checked {
        let scenario = Arc::clone(&self.scenario);
        let script = scenario.streams.get(stream);
        let Some((script, live)) = script.zip(self.streams.get(&stream)) else { return Ok(()) };
        let Some(push) = script.pushes.get(index) else { return Ok(()) };
        let sequence = script.first + u64::try_from(index).unwrap_or(0);
        let brings = push.layers.is_some_and(|layers| layers.brings_rung);
        let rung = live.ladder.profiles().last().filter(|_| brings);
        let segment = live.source.segment(sequence, push, rung, self.origin + push.closed);
        let ladder =
            Arc::new(live.ladder.without(|it| rung.is_some_and(|rung| rung.name == it.name)));
        self.line(
            stream,
            format_args!(
                "pushes {sequence}: {:?} of {:?}{}{}{}",
                push.content,
                push.duration,
                push.layers.map(|layers| format!(", {layers:?}")).unwrap_or_default(),
                if push.discontinuity { ", discontinuous" } else { "" },
                if push.poison { ", poison" } else { "" },
            ),
        );
        self.watch.pushed(self.now, stream, sequence, push, &ladder)?;
        let segment = Arc::new(segment);
        self.call(stream, |it, now, fleet| it.push(now, fleet, segment))?;
        self.settle(stream)
    }

    /// A publisher is gone for good, or the stream's task is.
    pub(super) fn end(&mut self, stream: usize) -> Checked {
        let how = self.scenario.streams.get(stream).map(|it| it.end.1);
        self.line(stream, format_args!("is over: {how:?}"));
        if how == Some(End::Abandon) {
            self.watch.abandoned(self.now, stream)?;
            self.call(stream, |it, _, fleet: &mut Fleet| it.abandon(fleet))?;
            self.streams.remove(&stream);
            return Ok(());
        }
        self.watch.finishing(self.now, stream)?;
        self.call(stream, |it, now, fleet| it.finish(now, fleet))?;
        self.settle(stream)
    }
}
