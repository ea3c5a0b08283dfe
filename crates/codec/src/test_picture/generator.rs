//! Where frames come from: a filter graph with a source and no input.

use ffmpeg_next::{Error, Frame, Rational, filter};

/// An endless row of frames.
pub(super) struct Generator {
    /// Owns the filters; the sink points into it.
    _graph: filter::Graph,
    sink: filter::Context,
}

impl Generator {
    /// Frames of the graph `filters`, which ends in `sink`: `buffersink` or `abuffersink`.
    pub(super) fn new(filters: &str, sink: &str) -> Result<Self, Error> {
        let mut graph = filter::Graph::new();
        let kind = filter::find(sink).ok_or(Error::FilterNotFound)?;
        let sink = graph.add(&kind, "out", "")?;
        graph.input("out", 0)?.parse(filters)?;
        graph.validate()?;
        Ok(Self { _graph: graph, sink })
    }

    /// Samples of each frame, for sound.
    pub(super) fn set_frame_size(&mut self, samples: u32) {
        self.sink.sink().set_frame_size(samples);
    }

    pub(super) fn time_base(&mut self) -> Rational {
        self.sink.sink().time_base()
    }

    pub(super) fn next(&mut self, frame: &mut Frame) -> Result<(), Error> {
        self.sink.sink().frame(frame)
    }
}
