//! Log lines.

use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{cli::LogFormat, config::LogConfig};

/// The WebRTC library warns of each packet that a client gets wrong, which would be the client's way to fill
/// the disk. What matters of it is logged by us; a filter that names it hears it all the same.
const QUIET: &str =
    "webrtc=off,rtc=off,rtc_dtls=off,rtc_ice=off,rtc_interceptor=off,rtc_sctp=off,rtc_srtp=off";

/// Starts logging to standard error. A second call in one process changes nothing.
pub(crate) fn start_logging(config: &LogConfig) {
    let filter = config.filter.as_deref().unwrap_or("info");
    let filter = EnvFilter::builder().parse_lossy(format!("{QUIET},{filter}"));
    let registry = tracing_subscriber::registry().with(filter);
    let line = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let started = match config.format {
        LogFormat::Text => {
            let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
            registry.with(line.with_ansi(colour)).try_init()
        }
        LogFormat::Json => registry.with(line.json().flatten_event(true)).try_init(),
    };
    if started.is_err() {
        tracing::trace!("logging has started already");
    }
}
