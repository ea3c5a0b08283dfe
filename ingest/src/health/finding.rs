//! What is wrong with a publisher's media.

use serde::Serialize;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $label:literal,)*) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum WarningKind {
            $($(#[$doc])* $name,)*
        }

        impl WarningKind {
            /// All of them.
            pub const ALL: [Self; [$($label),*].len()] = [$(Self::$name),*];

            /// A short, bounded name for logs and metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

kinds! {
    /// Connected, and nothing comes.
    Silent = "silent",
    /// Sound, and no picture.
    NoPicture = "no_picture",
    /// A picture, and no sound.
    NoSound = "no_sound",
    /// Sound that nothing here can make AAC of.
    SoundDropped = "sound_dropped",
    /// Key frames are too far apart.
    KeyFramesFar = "key_frames_far",
    /// Key frames are closer together than is good for the picture.
    KeyFramesClose = "key_frames_close",
    /// Key frames come at very different intervals.
    KeyFramesUneven = "key_frames_uneven",
    /// Media comes later and later.
    Uplink = "uplink",
    /// Media comes in bursts.
    Bursts = "bursts",
    /// Far less comes than before.
    BitrateDrop = "bitrate_drop",
    /// What comes varies wildly.
    BitrateVaries = "bitrate_varies",
    /// Fewer pictures come than announced.
    FrameRate = "frame_rate",
    /// Pictures don't follow at equal intervals.
    FrameIntervals = "frame_intervals",
    /// Packets are lost on the way.
    PacketLoss = "packet_loss",
    /// The gateway dropped media.
    GatewayDrops = "gateway_drops",
    /// Media can't be read.
    Unreadable = "unreadable",
    /// Sound and picture are apart.
    Skew = "skew",
    /// The publisher's clock is off.
    ClockDrift = "clock_drift",
    /// Timestamps had to be repaired.
    Timestamps = "timestamps",
    /// B-frames over WebRTC, where there can be none.
    BFrames = "b_frames",
    /// The picture's size changed.
    SizeChanges = "size_changes",
    /// No orchestrator decodes the video.
    NoDecoder = "no_decoder",
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WarningLevel {
    /// Worth knowing; viewers may see nothing of it.
    Note,
    /// Viewers get less than they could.
    Fair,
    /// Viewers see or hear it.
    Bad,
}

/// Something that is wrong at this moment, in words for the publisher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: WarningKind,
    /// How bad.
    pub level: WarningLevel,
    /// What is wrong, with the measured figure: `Keyframe every 8.3 s`.
    pub problem: String,
    /// What to do, where the publisher finds it: `set it to 2 s in OBS`.
    pub advice: String,
}

impl Finding {
    /// Both as one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!("{}: {}", self.problem, self.advice)
    }
}
