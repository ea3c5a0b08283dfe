//! Pictures that are not the ones asked for.

use bytes::Bytes;

use crate::Faults;

/// What is done to the pictures of a rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VideoEdit {
    black: bool,
    half_size: bool,
}

impl VideoEdit {
    /// `None` when the pictures stay as they are.
    pub(crate) const fn of(faults: &Faults) -> Option<Self> {
        let Faults { black, wrong_size: half_size, .. } = *faults;
        if black || half_size { Some(Self { black, half_size }) } else { None }
    }

    /// Arguments for ffmpeg, from its standard input to its standard output. Pictures keep their times
    /// and their number, the audio and the container stay.
    pub(crate) fn arguments(self, rendition: &Bytes) -> Vec<&'static str> {
        let is_transport_stream = rendition.first() == Some(&0x47);
        let format = if is_transport_stream { "mpegts" } else { "mp4" };
        let mut arguments = vec!["-hide_banner", "-loglevel", "error", "-copyts", "-f", format];
        arguments.extend(["-i", "pipe:0", "-map", "0:v:0", "-map", "0:a?", "-c:a", "copy"]);
        arguments.extend(["-vf", self.filter(), "-fps_mode", "passthrough"]);
        arguments.extend(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]);
        // One key frame, the first.
        arguments.extend(["-g", "100000", "-sc_threshold", "0", "-bf", "0"]);
        if is_transport_stream {
            arguments.extend(["-mpegts_copyts", "1", "-muxdelay", "0", "-muxpreload", "0"]);
        } else {
            arguments.extend(["-movflags", "empty_moov+delay_moov+default_base_moof"]);
        }
        arguments.extend(["-f", format, "pipe:1"]);
        arguments
    }

    const fn filter(self) -> &'static str {
        match (self.black, self.half_size) {
            (true, false) => "drawbox=w=iw:h=ih:color=black:t=fill",
            (true, true) => {
                "scale=trunc(iw/4)*2:trunc(ih/4)*2,drawbox=w=iw:h=ih:color=black:t=fill"
            }
            (false, _) => "scale=trunc(iw/4)*2:trunc(ih/4)*2",
        }
    }
}
