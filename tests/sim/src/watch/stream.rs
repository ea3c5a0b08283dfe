//! One stream's book.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use media::Ladder;
use router::{AttemptId, SessionId, StreamPolicy};

use super::{AttemptBook, Pushed, SessionBook, SessionState, membership::Member};
use crate::scenario::StreamScript;
use crate::violation::{Checked, ensure};

/// Questions a stream asks one orchestrator within a second, at most.
const QUESTIONS: usize = 12;

#[derive(Debug)]
pub(super) struct StreamBook {
    pub(super) policy: StreamPolicy,
    /// Its longest segment.
    pub(super) longest: Duration,
    /// In seconds.
    pub(super) target: u8,
    pub(super) begun: Option<Duration>,
    /// Everything was released, or the stream was abandoned.
    pub(super) over: bool,
    pub(super) finish_by: Option<Duration>,
    pub(super) waiting: VecDeque<Pushed>,
    pub(super) next: u64,
    /// Released, and its decision is not there yet.
    pub(super) undecided: Option<Pushed>,
    pub(super) attempts: BTreeMap<AttemptId, AttemptBook>,
    pub(super) sessions: BTreeMap<SessionId, SessionBook>,
    pub(super) epoch: u64,
    /// What the last segment with media was to be transcoded to.
    pub(super) wanted: Arc<Ladder>,
    /// A layer was transcoded in its place.
    pub(super) source_paused: bool,
    pub(super) interval: Option<Duration>,
    pub(super) last_release: Option<Duration>,
    pub(super) firsts: u64,
    pub(super) extras: u64,
    /// Somebody could be used at some time.
    pub(super) transcoding: bool,
    /// Since when each orchestrator may be used without a break.
    pub(super) member_since: BTreeMap<usize, Duration>,
    /// Segments in a row without the renditions that had to be there.
    pub(super) missing: usize,
    /// When each orchestrator was asked lately.
    questions: BTreeMap<usize, VecDeque<Duration>>,
}

impl StreamBook {
    pub(super) fn new(script: &StreamScript) -> Self {
        let longest = script.pushes.iter().map(|it| it.duration).max().unwrap_or_default();
        // Rounded to the nearest, as players do.
        let target = (longest + Duration::from_millis(500)).as_secs().max(1);
        Self {
            policy: script.policy.clone(),
            longest,
            target: u8::try_from(target).unwrap_or(u8::MAX),
            begun: None,
            over: false,
            finish_by: None,
            waiting: VecDeque::new(),
            next: script.first,
            undecided: None,
            attempts: BTreeMap::new(),
            sessions: BTreeMap::new(),
            epoch: 0,
            wanted: Arc::default(),
            source_paused: false,
            interval: None,
            last_release: None,
            firsts: 0,
            extras: 0,
            transcoding: false,
            member_since: BTreeMap::new(),
            missing: 0,
            questions: BTreeMap::new(),
        }
    }

    /// It ended without finishing.
    pub(super) const fn abandoned(&self) -> bool {
        self.over && self.finish_by.is_none()
    }

    pub(super) fn follow(&mut self, at: Duration, members: &[Member]) {
        self.transcoding |= self.begun.is_some() && !self.over && !members.is_empty();
        let before = std::mem::take(&mut self.member_since);
        self.member_since = members
            .iter()
            .map(|it| (it.orchestrator, before.get(&it.orchestrator).copied().unwrap_or(at)))
            .collect();
    }

    pub(super) fn waiting_for(&mut self, sequence: u64) -> Option<&mut Pushed> {
        self.waiting.iter_mut().find(|it| it.sequence == sequence)
    }

    /// Counts a question: nobody is asked again and again.
    pub(super) fn count_question(&mut self, at: Duration, orchestrator: usize) -> Checked {
        let asked = self.questions.entry(orchestrator).or_default();
        while asked.front().is_some_and(|first| at - *first >= Duration::from_secs(1)) {
            asked.pop_front();
        }
        asked.push_back(at);
        ensure!(
            at,
            asked.len() <= QUESTIONS,
            "o{orchestrator} is asked {} times in a second",
            asked.len()
        );
        Ok(())
    }

    /// Whoever blamed a segment that was delivered now, for the first time.
    pub(super) fn exonerated(&mut self, sequence: u64) -> Vec<usize> {
        let waiting = self.waiting_for(sequence).filter(|it| it.delivered_by.is_none());
        waiting.map(|it| it.blamed_by.clone()).unwrap_or_default()
    }

    /// The first good result of a segment that waits is the one to be used.
    pub(super) fn note_delivery(&mut self, id: AttemptId, sequence: u64) {
        if let Some(waiting) = self.waiting_for(sequence) {
            waiting.delivered_by.get_or_insert(id);
        }
    }

    /// An orchestrator says that a segment can't be transcoded.
    pub(super) fn note_blame(
        &mut self,
        at: Duration,
        sequence: u64,
        orchestrator: usize,
    ) -> Checked {
        let Some(waiting) = self.waiting_for(sequence) else { return Ok(()) };
        waiting.blamed_by.push(orchestrator);
        let blamed = waiting.blamed_by.len();
        ensure!(at, blamed <= 2, "segment {sequence} was blamed by {blamed}");
        Ok(())
    }

    /// Ends every session; the questions that were open.
    pub(super) fn close_sessions(&mut self) -> Vec<(SessionId, usize)> {
        let mut questions = Vec::new();
        for (id, session) in &mut self.sessions {
            if matches!(session.state, SessionState::Asked(_)) {
                questions.push((*id, session.orchestrator));
            }
            session.state = SessionState::Over;
        }
        questions
    }
}
