//! What the configuration accepts, refuses and says.

use super::*;

fn read(text: &str, args: &ServeArgs) -> Result<Config, Vec<String>> {
    let mut faults = Faults::default();
    let config = Config::read(text, args, &mut faults);
    let lines = |faults: Vec<Fault>| faults.iter().map(Fault::to_string).collect::<Vec<_>>();
    faults.into_result().map(|()| config).map_err(lines)
}

#[test]
fn the_sample_is_valid_and_says_the_defaults() {
    let sample = include_str!("../../fixtures/config/headgate.toml");
    let config = read(sample, &ServeArgs::default()).unwrap();
    assert_eq!(config.streams.len(), 2);
    assert_eq!(config.streams[1].ladder.as_ref().unwrap().profiles().len(), 3);
    assert_eq!(config.streams[1].policy.takeover_after, None);
    let defaults = read("", &ServeArgs::default()).unwrap();
    assert_eq!(config.rtmp.addr, defaults.rtmp.addr);
    assert_eq!(config.publisher, defaults.publisher);
    assert_eq!(config.segmenter.goal, defaults.segmenter.goal);
    // What the sample shows as an example, and not as a default, is put out of sight.
    let same = |config: &Config| {
        let mut config = config.clone();
        config.streams.clear();
        config.transcoding = Transcoding::default();
        config.log.filter = None;
        format!("{config:?}")
    };
    assert_eq!(same(&config), same(&defaults));
    let [pool] = &config.transcoding.pools[..] else { panic!("one pool") };
    let [shown] = &pool.pool.orchestrators[..] else { panic!("one orchestrator") };
    assert_eq!(*shown, pool::with_default_body(shown.address.clone()));
    assert!(!config.transcoding.embedded);
}

#[test]
fn what_the_sample_comments_out_works_and_is_everything() {
    let sample = include_str!("../../fixtures/config/headgate.toml");
    let uncommented = |line: &str| {
        let setting = line.strip_prefix("# ").filter(|rest| {
            let key = rest.split(" = ").next().unwrap_or_default();
            rest.starts_with('[') || (key.len() < rest.len() && !key.contains(' '))
        });
        format!("{}\n", setting.unwrap_or(line))
    };
    let whole: String = sample.lines().map(uncommented).collect();
    let mut config = read(&whole, &ServeArgs::default()).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("/var/lib/headgate"));
    assert!(config.auth_webhook.unwrap().secret.is_some() && config.ladder.is_some());
    assert!(config.routing.region.is_some() && config.routing.record.is_some());
    assert_eq!(config.routing.policy.pools.len(), 2);
    assert_eq!(config.streams[1].routing.pools.len(), 1);
    assert_eq!(config.streams[1].routing.class, router::StreamClass::LowLatency);
    let PoolConfig { pool, webhook, .. } = config.transcoding.pools.pop().unwrap();
    assert!(webhook.is_some() && !pool.deny.is_empty() && !pool.allow.is_empty());
    assert!(pool.lets_in(&pool.orchestrators[0].address), "its own lists let it in");
    assert!(pool.price_cap.most.unwrap() < "1200".parse().unwrap(), "dollars are the lower cap");
    for setting in settings_read() {
        let mut words = whole.split([' ', '\n']).zip(whole.split([' ', '\n']).skip(1));
        assert!(words.any(|pair| pair == (setting, "=")), "{setting} is not shown");
    }
}

#[test]
fn what_the_sample_shows_in_place_of_certificate_files_works() {
    let sample = include_str!("../../fixtures/config/headgate.toml");
    let setting = |line: &str| line.starts_with('[') || line.contains(" = ");
    let shown = sample.lines().skip_while(|line| *line != "#   [tls.acme]");
    let shown = shown.map_while(|line| line.strip_prefix("#   "));
    let shown: Vec<_> = shown.filter(|line| setting(line)).collect();
    let config = read(&shown.join("\n"), &ServeArgs::default()).unwrap();
    let CertificateSource::Acme(acme) = config.tls.unwrap().source else { panic!("no ACME") };
    assert!(acme.settings.email.is_some() && acme.directory_root.is_some());
    let least = "[tls.acme]\ndomains = \"live.example.com\"\nterms_agreed = true\n";
    let least = read(least, &ServeArgs::default()).unwrap().tls.unwrap();
    let CertificateSource::Acme(least) = least.source else { panic!("no ACME") };
    assert_eq!(least.settings.directory, acme.settings.directory);
    assert_eq!(least.settings.challenge, acme.settings.challenge);
    assert_eq!(least.settings.domains, acme.settings.domains);
}

/// The names of all settings, out of the code that takes them from the file.
fn settings_read() -> std::collections::BTreeSet<&'static str> {
    const CODE: [&str; 10] = [
        include_str!("acme.rs"),
        include_str!("mod.rs"),
        include_str!("payments.rs"),
        include_str!("pool.rs"),
        include_str!("price_feed.rs"),
        include_str!("store.rs"),
        include_str!("stream.rs"),
        include_str!("tls.rs"),
        include_str!("webhook.rs"),
        include_str!("whip.rs"),
    ];
    const TAKES: [&str; 8] = [
        "string(",
        "boolean(",
        "integer(",
        "duration(",
        "address(",
        "decimal(",
        "names(",
        "texts(",
    ];
    let code = CODE.map(|file| file.split("#[cfg(test)]\nmod").next().unwrap());
    let calls = code.iter().flat_map(|code| TAKES.iter().flat_map(|take| code.split(take).skip(1)));
    let quoted = calls.filter_map(|rest| {
        let argument = rest.trim_start_matches("&mut section,").trim_start().strip_prefix('"')?;
        argument.split('"').next()
    });
    let found: std::collections::BTreeSet<_> = quoted.collect();
    assert!(found.len() > 40, "{found:?}");
    found
}

#[test]
fn the_readmes_examples_work() {
    let readme = include_str!("../../README.md");
    let examples: Vec<_> = readme
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .map(|example| (example, read(example, &ServeArgs::default())))
        .collect();
    for (example, read) in &examples {
        assert!(read.is_ok(), "{read:?} in\n{example}");
    }
    let (_, fleet) = examples.iter().find(|(text, _)| text.contains("local_fallback")).unwrap();
    let fleet = fleet.as_ref().unwrap();
    assert!(fleet.transcoding.embedded);
    let named = fleet.routing.policy.pools.iter().map(PoolName::as_str).collect::<Vec<_>>();
    assert_eq!(named, ["premium", PoolName::LOCAL]);
}

#[test]
fn a_pool_that_is_named_has_to_be_there() {
    let text = r#"
        [router]
        pools = ["premium", "local", "standrad"]
        [[pool]]
        name = "premium"
        [[stream]]
        name = "a"
        stream_key = "first-key"
        playback_id = "p"
        pools = "premiun"
        [[stream]]
        name = "b"
        stream_key = "second-key"
        playback_id = "q"
    "#;
    let expected = [
        "router.pools: there is no pool \"standrad\"",
        "stream[0].pools: there is no pool \"premiun\"",
    ];
    assert_eq!(read(text, &ServeArgs::default()).unwrap_err(), expected);
    let off = ServeArgs { no_transcode: Some(true), ..ServeArgs::default() };
    assert!(read(text, &off).is_ok(), "nobody is asked");
}

#[test]
fn every_fault_is_reported_at_once_without_the_key() {
    let text = r#"
        speed = 3
        [rtmp]
        addr = "nowhere"
        [segmenter]
        goal = "1h"
        [[stream]]
        name = "a b"
        stream_key = "secret-secret"
        playback_id = "watch"
        ladder = ["P720p", { width = 641, height = 360, bitrate = 1 }]
        colour = "red"
        [[orchestrator]]
        body = "avi"
    "#;
    let faults = read(text, &ServeArgs::default()).unwrap_err();
    let wanted = [
        "rtmp.addr",
        "segmenter.goal",
        "stream[0].name",
        "stream[0].playback_id",
        "stream[0].ladder[0]",
        "stream[0].ladder[1].bitrate",
        "stream[0].colour",
        "orchestrator[0].url",
        "orchestrator[0].body",
        "speed",
    ];
    for path in wanted {
        assert!(
            faults.iter().any(|fault| fault.starts_with(&format!("{path}:"))),
            "{path} in {faults:#?}"
        );
    }
    assert_eq!(faults.len(), wanted.len(), "{faults:#?}");
    assert!(!format!("{faults:?}").contains("secret-secret"));
}

#[test]
fn streams_without_a_ladder_of_their_own_get_the_gateways() {
    let text = "ladder = [\"P240p30fps16x9\", { width = 640, height = 360, bitrate = 900000, profile = \"main\" }]\n";
    let ladder = read(text, &ServeArgs::default()).unwrap().ladder.unwrap();
    assert_eq!(ladder.profiles()[1].h264_profile, media::H264Profile::Main);
    assert_eq!(read("", &ServeArgs::default()).unwrap().ladder, None);
    let bad = "ladder = [{ width = 640, height = 360, bitrate = 900000, profile = \"low\" }]\n";
    let faults = read(bad, &ServeArgs::default()).unwrap_err();
    assert!(faults[0].starts_with("ladder[0].profile: expected"), "{faults:?}");
}

#[test]
fn flags_win_over_the_file() {
    let args = ServeArgs {
        rtmp_addr: Some("127.0.0.1:7".to_owned()),
        orchestrator: vec!["http://127.0.0.1:9000".to_owned()],
        ..ServeArgs::default()
    };
    let text = "[rtmp]\naddr = \"127.0.0.1:6\"\n[http]\naddr = \"127.0.0.1:5\"\n[[orchestrator]]\nurl = \"https://a\"\n";
    let config = read(text, &args).unwrap();
    assert_eq!((config.rtmp.addr.port(), config.http.addr.port()), (7, 5));
    let list = &config.transcoding.pools[0].pool.orchestrators;
    assert_eq!(list.len(), 1);
}

#[test]
fn orchestrators_of_flags_stay_within_the_limits_of_the_file() {
    let args = ServeArgs {
        orchestrator: ["https://a:1", "https://b:1", "https://c:1"].map(str::to_owned).to_vec(),
        ..ServeArgs::default()
    };
    let text = r#"
        [[pool]]
        name = "premium"
        deny = ["c"]
        [[pool]]
        max_price = "3/2"
        allow_absent_price = false
        deny = ["a"]
        allow = ["a", "b"]
        only_if_named = true
        webhook = "https://list.example/"
        [[pool.orchestrator]]
        url = "https://d"
    "#;
    let [replaced] = &read(text, &args).unwrap().transcoding.pools[..] else { panic!("one pool") };
    let PoolConfig { pool, webhook, .. } = replaced;
    let hosts: Vec<_> = pool.orchestrators.iter().map(|it| it.address.host()).collect();
    assert_eq!((hosts, webhook), (vec!["a", "b", "c"], &None));
    let within = |address: &str| pool.lets_in(&address.parse().unwrap());
    assert_eq!(["https://a:1", "https://b:1", "https://c:1"].map(within), [false, true, false]);
    assert_eq!(pool.price_cap.most, "1.5".parse().ok());
    assert!(!pool.price_cap.allows_absent);
    assert!(!pool.only_if_named, "there is no other");
    let unlimited = read("[[pool]]\nname = \"premium\"\nmax_price = 1\n", &args).unwrap();
    assert_eq!(unlimited.transcoding.pools[0].pool.price_cap, router::PriceCap::default());
}

#[test]
fn open_defaults_to_loopback_and_refuses_anything_else() {
    let open = ServeArgs { open: Some(true), ..ServeArgs::default() };
    assert!(read("", &open).unwrap().rtmp.addr.ip().is_loopback());
    let exposed = ServeArgs { http_addr: Some("0.0.0.0:80".to_owned()), ..open };
    assert!(read("", &exposed).unwrap_err()[0].contains("--open-anywhere"));
    assert!(read("", &ServeArgs { open_anywhere: Some(true), ..exposed }).is_ok());
}

#[test]
fn two_streams_share_nothing() {
    let stream = "[[stream]]\nname = \"a\"\nstream_key = \"key-key-key\"\nplayback_id = \"p\"\n";
    let faults = read(&stream.repeat(2), &ServeArgs::default()).unwrap_err();
    assert_eq!(faults.len(), 3, "{faults:#?}");
}

#[test]
fn a_key_is_long_private_and_not_the_playback_id() {
    for key in ["short", "with space in it", "playback", "a/b/c/d/e/f"] {
        let text = format!(
            "[[stream]]\nname = \"a\"\nstream_key = \"{key}\"\nplayback_id = \"playback\"\n"
        );
        let faults = read(&text, &ServeArgs::default()).unwrap_err();
        assert!(faults[0].starts_with("stream[0].stream_key:"), "{faults:?}");
    }
}

#[test]
fn a_syntax_error_names_its_place_and_not_the_line() {
    let faults =
        read("[[stream]]\nstream_key = \"secret-secret\n", &ServeArgs::default()).unwrap_err();
    assert!(faults[0].starts_with("file, line 2, "), "{faults:?}");
    assert!(!faults[0].contains("secret-secret"), "{faults:?}");
}

#[test]
fn a_flag_can_switch_off_what_the_file_switches_on() {
    let off = ServeArgs { open: Some(false), ..ServeArgs::default() };
    assert!(!read("open = true\n", &off).unwrap().open);
    let named =
        ServeArgs { orchestrator: vec!["http://127.0.0.1:9".to_owned()], ..ServeArgs::default() };
    assert_eq!(read("transcode = false\n", &named).unwrap().transcoding.pools.len(), 1);
    let contradiction = ServeArgs { no_transcode: Some(true), ..named };
    assert!(read("", &contradiction).unwrap_err()[0].starts_with("no-transcode:"));
}

#[test]
fn the_stores_url_is_taken_and_never_shown() {
    let text = "[store]\nurl = \"postgres://me:pass-word@db.example/headgate\"\n";
    let from_file = read(text, &ServeArgs::default()).unwrap();
    let url = from_file.store_url.as_ref().unwrap();
    assert_eq!(url.expose(), "postgres://me:pass-word@db.example/headgate");
    assert!(!format!("{from_file:?}").contains("pass-word"));

    let flag = Some(Redacted::new("postgres://flag@db.example/headgate".to_owned()));
    let args = ServeArgs { store_url: flag.clone(), ..ServeArgs::default() };
    assert_eq!(read(text, &args).unwrap().store_url, flag);
    assert_eq!(read("", &ServeArgs::default()).unwrap().store_url, None);

    let faults =
        read("[store]\nurl = \"mysql://me:pass-word@db.example\"\n", &ServeArgs::default());
    let faults = format!("{:?}", faults.unwrap_err());
    assert!(faults.contains("store.url") && !faults.contains("pass-word"), "{faults}");
}

#[test]
fn an_auth_webhook_and_open_contradict() {
    let text = "open = true\nauth_webhook = \"https://hook.example/auth\"\n";
    let faults = read(text, &ServeArgs::default()).unwrap_err();
    assert!(faults[0].starts_with("open: contradicts auth_webhook"), "{faults:?}");
}

#[test]
fn what_hooks_know_us_by_is_not_printed() {
    let text = "auth_webhook = \"https://user:pass-word@hook.example/?t=to-ken\"\nauth_webhook_secret = \"whsec-0123456789\"\n[[pool]]\nwebhook = \"https://user:pass-word@list.example\"\n";
    let flag = Some(Redacted::new("https://flag:pass-word@hook.example".to_owned()));
    let config = read(text, &ServeArgs { auth_webhook: flag, ..ServeArgs::default() }).unwrap();
    let printed = format!("{config:?}");
    assert!(printed.contains("hook.example") && printed.contains("list.example"), "{printed}");
    for secret in ["pass-word", "to-ken", "whsec"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}
