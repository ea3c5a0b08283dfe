//! Where a run's configuration comes from: a file of ours, or the flags of a go-livepeer gateway.

use std::{collections::BTreeMap, path::Path};

use crate::{
    cli::{LivepeerConfigArgs, LivepeerFlag, ServeArgs},
    config::{Config, Fault},
    livepeer::{Surroundings, Translation, is_relevant, translate},
};

/// A configuration, and what the operator should know of how it came about.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// Flags of go-livepeer that the gateway does without, and why.
    pub(crate) remarks: Vec<Fault>,
}

/// Reads the configuration that `args` ask for. Headgate's own flags and variables win over go-livepeer's.
///
/// # Errors
/// Every fault found; flags of go-livepeer that ask for something that is not built are faults.
pub(crate) fn load(args: &ServeArgs) -> Result<Loaded, Vec<Fault>> {
    if !args.livepeer {
        return Ok(Loaded { config: Config::load(args)?, remarks: Vec::new() });
    }
    if args.config.is_some() {
        return Err(vec![Fault {
            path: "config".to_owned(),
            problem: "contradicts --livepeer, which takes everything from go-livepeer's flags; `headgate livepeer-config` prints them as a file".to_owned(),
        }]);
    }
    let url = args.auth_webhook.as_ref().filter(|url| !url.expose().trim().is_empty());
    let translation = of_process(&args.livepeer_flags, url.is_some() || args.open.is_some());
    if !translation.refused.is_empty() {
        return Err(translation.refused);
    }
    let config = Config::parse(translation.toml.expose(), args)?;
    Ok(Loaded { config, remarks: translation.needless })
}

/// Flags of go-livepeer as a configuration file.
#[derive(Debug)]
pub(crate) struct Conversion {
    /// The file, with what became of each flag as comments. Holds no secret.
    pub(crate) text: String,
    /// What keeps the gateway from starting with these flags.
    pub(crate) faults: Vec<Fault>,
}

/// Converts flags for people to read and keep.
pub(crate) fn convert(args: &LivepeerConfigArgs) -> Conversion {
    described(of_process(&args.livepeer_flags, false))
}

fn described(translation: Translation) -> Conversion {
    let mut text = "# What the flags of a go-livepeer gateway come to.\n".to_owned();
    for (title, remarks) in [
        ("Settings", &translation.settings),
        ("Not needed", &translation.needless),
        ("Not possible", &translation.refused),
    ] {
        if remarks.is_empty() {
            continue;
        }
        text.push_str(&format!("#\n# {title}:\n"));
        remarks.iter().for_each(|remark| text.push_str(&format!("#   {remark}\n")));
    }
    if translation.shown != *translation.toml.expose() {
        text.push_str("#\n# Secrets are not printed: put them where *** stands.\n");
    }
    text.push('\n');
    text.push_str(&translation.shown);
    let mut faults = translation.refused;
    if let Err(found) = Config::parse(translation.toml.expose(), &ServeArgs::default()) {
        faults.extend(found);
    }
    Conversion { text, faults }
}

/// Translates flags together with this process's variables and files.
fn of_process(flags: &[LivepeerFlag], admission_elsewhere: bool) -> Translation {
    let variables = std::env::vars_os();
    let variables = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let variables: BTreeMap<_, _> = variables.filter(|(name, _)| is_relevant(name)).collect();
    let flags: Vec<_> = flags.iter().map(|flag| flag.expose().clone()).collect();
    let read_file = |path: &Path| std::fs::read_to_string(path);
    translate(&flags, &Surroundings { variables, read_file: &read_file, admission_elsewhere })
}

#[cfg(test)]
mod tests {
    use media::Redacted;

    use super::*;

    fn flags(line: &str) -> Vec<LivepeerFlag> {
        line.split_whitespace().map(|flag| Redacted::new(flag.to_owned())).collect()
    }

    fn serve(line: &str) -> ServeArgs {
        ServeArgs { livepeer: true, livepeer_flags: flags(line), ..ServeArgs::default() }
    }

    const LINE: &str = "-gateway -network offchain -rtmpAddr 0.0.0.0:1935 -httpAddr 0.0.0.0:9935 \
        -cliAddr 127.0.0.1:7935 -orchAddr https://o1:8935,o2 -transcodingOptions \
        P720p30fps16x9,P360p30fps16x9 -maxSessions 20 -maxPricePerUnit 1200 -pixelsPerUnit 1e3 \
        -authWebhookUrl https://user:sesame@hook.example/auth?token=sesame -monitor -metricsPerStream=true \
        -maxAttempts 4 -v 5 -localVerify=false -region FRA";

    #[test]
    fn a_realistic_command_line_becomes_a_configuration() {
        let Loaded { config, remarks } = load(&serve(LINE)).unwrap();
        assert_eq!(config.rtmp.addr.to_string(), "0.0.0.0:1935");
        assert_eq!(config.http.addr.to_string(), "0.0.0.0:9935");
        assert_eq!(config.admin_addr.to_string(), "127.0.0.1:7935");
        assert_eq!((config.streams_max, config.open), (20, false));
        let hook = config.auth_webhook.unwrap().endpoint.to_string();
        assert_eq!(hook, "https://hook.example/auth?***");
        let names = config.ladder.unwrap();
        let names: Vec<_> = names.profiles().iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["P720p30fps16x9", "P360p30fps16x9"]);
        let [pool] = &config.transcoding.pools[..] else { panic!("one pool") };
        let hosts: Vec<_> =
            pool.pool.orchestrators.iter().map(|it| it.address.to_string()).collect();
        assert_eq!(hosts, ["https://o1:8935", "https://o2:8935"]);
        assert_eq!(pool.pool.price_cap.most, "1.2".parse().ok());
        assert!(!config.transcoding.embedded, "go-livepeer would not transcode itself");
        assert_eq!(config.routing.config.attempts, 4);
        assert_eq!(config.routing.region.as_deref(), Some("FRA"));
        assert!(config.log.filter.unwrap().contains("router=debug"));
        let noted: Vec<_> = remarks.iter().map(|it| it.path.as_str()).collect();
        let expected =
            ["-gateway", "-localVerify", "-monitor", "-metricsPerStream", "-authWebhookUrl"];
        assert_eq!(noted, expected, "the webhook's is about pushed segments");
    }

    #[test]
    fn our_own_flags_win() {
        let args = ServeArgs {
            rtmp_addr: Some("127.0.0.1:7".to_owned()),
            orchestrator: vec!["http://o3:1".to_owned()],
            auth_webhook: Some(Redacted::new("https://ours.example/".to_owned())),
            ..serve("-rtmpAddr :1 -httpAddr :2")
        };
        let config = load(&args).unwrap().config;
        assert_eq!((config.rtmp.addr.port(), config.http.addr.port()), (7, 2));
        assert_eq!(
            config.transcoding.pools.len(),
            1,
            "although go-livepeer would transcode nothing"
        );
        assert_eq!(config.auth_webhook.unwrap().endpoint.to_string(), "https://ours.example/");
        assert!(!config.open);
        let priced = ServeArgs {
            orchestrator: vec!["http://o3:1".to_owned()],
            ..serve("-orchAddr o1 -maxPricePerUnit 3 -pixelsPerUnit 2")
        };
        let pools = load(&priced).unwrap().config.transcoding.pools;
        let hosts: Vec<_> = pools
            .iter()
            .flat_map(|it| &it.pool.orchestrators)
            .map(|it| it.address.host())
            .collect();
        assert_eq!(hosts, ["o3"]);
        assert_eq!(pools[0].pool.price_cap.most, "1.5".parse().ok(), "a cap is no orchestrator");
        let closed = ServeArgs { open: Some(false), ..serve("") };
        assert!(!load(&closed).unwrap().config.open);
        let two_files = ServeArgs { config: Some("headgate.toml".into()), ..serve("") };
        assert!(load(&two_files).unwrap_err()[0].to_string().starts_with("config: contradicts"));
    }

    #[test]
    fn what_is_not_built_or_not_safe_keeps_the_gateway_from_starting() {
        let said = |line: &str| {
            let faults = load(&serve(line)).unwrap_err();
            faults.iter().map(|it| format!("{it}\n")).collect::<String>()
        };
        let faults =
            said("-network arbitrum-one-mainnet -recordStore s3://k:sesame@r/b -orchaddr o");
        for wanted in ["-ethUrl: missing", "-recordStore: object stores", "it has -orchAddr"] {
            assert!(faults.contains(wanted), "{wanted}: {faults}");
        }
        assert!(!faults.contains("sesame"));
        assert!(said("-rtmpAddr 0.0.0.0").contains("--open-anywhere"));
        let anywhere = ServeArgs { open_anywhere: Some(true), ..serve("-rtmpAddr 0.0.0.0") };
        assert!(load(&anywhere).unwrap().config.open);
    }

    #[test]
    fn the_printed_file_reads_back_and_tells_no_secret() {
        let conversion = convert(&LivepeerConfigArgs { livepeer_flags: flags(LINE) });
        assert_eq!(conversion.faults, []);
        assert!(!conversion.text.contains("sesame"), "{}", conversion.text);
        assert!(conversion.text.contains("put them where *** stands"));
        assert!(conversion.text.contains("#   -maxSessions: streams\n"));
        let config = Config::parse(&conversion.text, &ServeArgs::default()).unwrap();
        assert_eq!(config.streams_max, 20);
        let line = "-orchAddr o -kafkaBootstrapServers k";
        let refused = convert(&LivepeerConfigArgs { livepeer_flags: flags(line) });
        assert!(refused.text.contains("# Not possible:\n#   -kafkaBootstrapServers: event queues"));
        assert_eq!(refused.faults.len(), 1);
        assert!(Config::parse(&refused.text, &ServeArgs::default()).is_ok());
    }
}
