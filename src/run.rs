//! What each subcommand does.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    cli::{Command, LedgerCommand, LivepeerConfigArgs, OrchestratorArgs, ServeArgs},
    config::{CertificateSource, Config, Fault, LogConfig},
    config_source::{self, Conversion, Loaded},
    demo::DemoKeys,
    signer::SignerArgs,
    telemetry,
    tls::{self, CertificatePair},
};

/// Exit code for a configuration that can't be used (`EX_CONFIG`).
const EXIT_CONFIG: u8 = 78;
/// Files a gateway of thousands of viewers may have open.
const DESCRIPTORS: u64 = 65_536;

/// Runs a subcommand to its end.
///
/// # Errors
/// When it can't start, with what to do about it.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve(&args, false),
        Command::Demo(args) => serve(&args, true),
        Command::CheckConfig(args) => Ok(check_config(&args)),
        Command::Orchestrator(args) => orchestrator(args),
        Command::Signer(args) => signer(args),
        Command::LivepeerConfig(args) => Ok(livepeer_config(&args)),
        Command::Replay { file } => replay(&file),
        Command::Why(args) => {
            print(&runtime()?.block_on(crate::why::explain(&args))?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Ledger(LedgerCommand::Report(args)) => {
            let report = runtime()?.block_on(crate::ledger_report::report(&args))?;
            print(&report.text);
            anyhow::ensure!(report.adds_up, "sums of the ledger do not add up");
            Ok(ExitCode::SUCCESS)
        }
        Command::Wallet(args) => wallet(&args),
        Command::Version => {
            print(&format!("headgate {} ({})\n", env!("CARGO_PKG_VERSION"), abilities()));
            Ok(ExitCode::SUCCESS)
        }
        Command::TranscodeWorker => child(Child::TranscodeWorker),
        Command::SoundWorker => child(Child::SoundWorker),
        Command::TestPicture => child(Child::TestPicture),
    }
}

const fn abilities() -> &'static str {
    if cfg!(feature = "local") { "with local transcoding" } else { "without local transcoding" }
}

fn replay(file: &std::path::Path) -> anyhow::Result<ExitCode> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
    let origin = tokio::time::Instant::now().into_std();
    match router::replay(origin, text.lines()) {
        Ok(done) => {
            let router::Replay { calls, choices, attempts, streams } = done;
            print(&format!(
                "identical: {choices} choices, {attempts} attempts among them, after {calls} calls of {streams} stream(s)\n"
            ));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            complain(&format!("headgate: {error}\n"));
            Ok(ExitCode::FAILURE)
        }
    }
}

fn wallet(args: &crate::wallet::WalletArgs) -> anyhow::Result<ExitCode> {
    telemetry::start_logging(&LogConfig {
        filter: Some("warn".to_owned()),
        ..LogConfig::default()
    });
    runtime()?.block_on(crate::wallet::run(args))
}

fn check_config(args: &ServeArgs) -> ExitCode {
    match config_source::load(args) {
        Ok(Loaded { config, .. }) => match certificate_fault(&config) {
            None => {
                print(&format!("{} stream(s), no fault found\n", config.streams.len()));
                ExitCode::SUCCESS
            }
            Some(fault) => report(&[fault]),
        },
        Err(faults) => report(&faults),
    }
}

/// Why the gateway would not start with its certificate, or with what it takes to get one.
fn certificate_fault(config: &Config) -> Option<Fault> {
    let problem = match &config.tls.as_ref()?.source {
        CertificateSource::Files(files) => {
            CertificatePair::read(files, media::wall_clock_now()).err()?.to_string()
        }
        CertificateSource::Acme(acme) => tls::directory_roots(acme).err()?.to_string(),
    };
    Some(Fault { path: "tls".to_owned(), problem })
}

fn livepeer_config(args: &LivepeerConfigArgs) -> ExitCode {
    let Conversion { text, faults } = config_source::convert(args);
    print(&text);
    if faults.is_empty() { ExitCode::SUCCESS } else { report(&faults) }
}

fn report(faults: &[Fault]) -> ExitCode {
    let lines: String = faults.iter().map(|fault| format!("  {fault}\n")).collect();
    complain(&format!("headgate: {} fault(s) in the configuration\n{lines}", faults.len()));
    ExitCode::from(EXIT_CONFIG)
}

fn serve(args: &ServeArgs, demo: bool) -> anyhow::Result<ExitCode> {
    let Loaded { mut config, remarks } = match config_source::load(args) {
        Ok(loaded) => loaded,
        Err(faults) => return Ok(report(&faults)),
    };
    telemetry::start_logging(&config.log);
    for Fault { path, problem } in remarks {
        tracing::info!("{path}: {problem}");
    }
    raise_descriptor_limit();
    let keys = demo.then(|| DemoKeys::load_or_create(&config.data_dir)).transpose();
    let keys = keys.context("can't keep the demo's keys")?;
    if let Some(keys) = &keys {
        config.streams.extend(keys.streams(&config.publisher));
    } else if config.streams.is_empty() && !config.open && config.auth_webhook.is_none() {
        tracing::warn!(
            "nobody can publish: add a [[stream]] or an auth_webhook to the configuration, or try `headgate demo`"
        );
    }
    let program = std::env::current_exe().context("can't find this program's own file")?;
    runtime()?.block_on(async {
        let stop = stop_signal()?;
        let app = App::start(config, program.clone()).await?;
        let picture_ends = CancellationToken::new();
        let picture = async {
            match &keys {
                Some(keys) => show(keys, &app, program, picture_ends.clone()).await,
                None => picture_ends.cancelled().await,
            }
        };
        let until_stopped = async {
            stop.cancelled().await;
            picture_ends.cancel();
        };
        tokio::join!(picture, until_stopped);
        tracing::info!("draining; a second signal ends at once");
        app.shut_down().await;
        tracing::info!("bye");
        Ok(ExitCode::SUCCESS)
    })
}

/// Prints how to use the demo, and keeps its test picture on the air.
async fn show(keys: &DemoKeys, app: &App, program: PathBuf, stopped: CancellationToken) {
    let with_picture = cfg!(feature = "local");
    if let Some(text) = keys.instructions(app.addresses(), with_picture) {
        print(&text);
    }
    let Some(rtmp) = app.addresses().rtmp.filter(|_| with_picture) else {
        return stopped.cancelled().await;
    };
    let spec = crate::child::ChildSpec {
        name: "test picture",
        program,
        arguments: vec!["test-picture".into()],
        input: (keys.test_picture_url(rtmp) + "\n").into_bytes(),
    };
    spec.supervise(stopped, || {}).await;
}

#[cfg(feature = "local")]
fn orchestrator(args: OrchestratorArgs) -> anyhow::Result<ExitCode> {
    telemetry::start_logging(&log_config(&args));
    raise_descriptor_limit();
    let program = std::env::current_exe().context("can't find this program's own file")?;
    runtime()?.block_on(async {
        crate::transcoding_node::run(args, program, stop_signal()?).await?;
        Ok(ExitCode::SUCCESS)
    })
}

#[cfg(feature = "local")]
fn log_config(args: &OrchestratorArgs) -> LogConfig {
    LogConfig { filter: args.log.clone(), format: args.log_format.unwrap_or_default() }
}

#[cfg(not(feature = "local"))]
fn orchestrator(_args: OrchestratorArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("this build has no transcoder: build headgate with the feature `local`")
}

fn signer(args: SignerArgs) -> anyhow::Result<ExitCode> {
    let log = LogConfig { filter: args.log.clone(), format: args.log_format.unwrap_or_default() };
    telemetry::start_logging(&log);
    runtime()?.block_on(async {
        crate::signer::run(args, stop_signal()?).await?;
        Ok(ExitCode::SUCCESS)
    })
}

enum Child {
    TranscodeWorker,
    SoundWorker,
    TestPicture,
}

#[cfg(feature = "local")]
fn child(child: Child) -> anyhow::Result<ExitCode> {
    match child {
        Child::TranscodeWorker => Ok(codec::run_worker()),
        Child::SoundWorker => Ok(codec::run_sound_worker()),
        Child::TestPicture => {
            let mut url = String::new();
            std::io::stdin()
                .read_line(&mut url)
                .context("the test picture needs a URL on standard input")?;
            Ok(codec::run_test_picture(codec::TestPictureConfig::new(url.trim())))
        }
    }
}

#[cfg(not(feature = "local"))]
fn child(_child: Child) -> anyhow::Result<ExitCode> {
    anyhow::bail!("this build has no FFmpeg: build headgate with the feature `local`")
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")
}

/// Cancelled by the first SIGTERM or SIGINT. The second ends the process at once.
fn stop_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    let mut next = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let watch = async move {
        next().await;
        token.cancel();
        next().await;
        tracing::warn!("second signal, ending at once");
        abort();
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "owned by the process: it lives as long as main"
    )]
    drop(tokio::spawn(watch));
    Ok(stop)
}

#[expect(clippy::exit, reason = "the operator asked twice")]
fn abort() -> ! {
    std::process::exit(1)
}

fn raise_descriptor_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(DESCRIPTORS) {
        tracing::warn!(%error, "can't raise the limit of open files");
    }
}

#[expect(clippy::print_stdout, reason = "what the operator asked to see")]
fn print(text: &str) {
    print!("{text}");
}

#[expect(clippy::print_stderr, reason = "logging has not started")]
fn complain(text: &str) {
    eprint!("{text}");
}
