//! What becomes of go-livepeer's flags.

use toml::{Table, Value};

use super::*;
use crate::{
    cli::ServeArgs,
    config::{Config, PayerSource},
    livepeer::flag::Kind,
};

const PROFILES: &str = r#"{"profiles":[{"name":"p","width":640,"height":360,"bitrate":900000}]}"#;

fn read_file(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("profiles.json") => Ok(PROFILES.to_owned()),
        Some("node.conf") => {
            Ok("maxSessions 7\nrtmpAddr 0.0.0.0\nauthWebhookUrl http://h/\n".to_owned())
        }
        Some("password.txt") => Ok("sesame".to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn translated(line: &[&str], variables: &[(&str, &str)]) -> Translation {
    let line: Vec<_> = line.iter().map(|&it| it.to_owned()).collect();
    let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    translate(&line, &Surroundings { variables, read_file: &read_file, admission_elsewhere: false })
}

/// The file that a line of good flags makes.
fn file(line: &[&str]) -> Table {
    let translation = translated(line, &[]);
    assert_eq!(translation.refused, []);
    translation.toml.expose().parse().unwrap()
}

fn at<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
    let mut value = table.get(first)?;
    if rest.is_some() && value.is_array() {
        value = &value[0];
    }
    rest.map_or(Some(value), |rest| at(value.as_table()?, rest))
}

fn text<'a>(table: &'a Table, path: &str) -> Option<&'a str> {
    at(table, path).and_then(Value::as_str)
}

fn refusals(line: &[&str]) -> String {
    translated(line, &[]).refused.iter().map(|it| format!("{it}\n")).collect()
}

fn remarks(line: &[&str]) -> String {
    translated(line, &[]).needless.iter().map(|it| format!("{it}\n")).collect()
}

#[test]
fn nothing_said_is_go_livepeers_own_defaults() {
    let table = file(&["-gateway"]);
    assert_eq!(text(&table, "rtmp.addr"), Some("127.0.0.1:1935"));
    assert_eq!(text(&table, "http.addr"), Some("127.0.0.1:9935"));
    assert_eq!(text(&table, "admin.addr"), Some("127.0.0.1:5935"));
    assert_eq!(at(&table, "streams").and_then(Value::as_integer), Some(10));
    assert_eq!(at(&table, "open"), Some(&true.into()));
    assert_eq!(at(&table, "transcode"), Some(&false.into()));
    let ladder = ["P240p30fps16x9", "P360p30fps16x9"].map(Value::from).to_vec();
    assert_eq!(at(&table, "ladder"), Some(&Value::Array(ladder)));
    assert_eq!((at(&table, "pool"), at(&table, "log")), (None, None));
    assert!(remarks(&[]).contains("only the source is served"));
}

#[test]
fn addresses_are_completed_as_go_livepeer_does() {
    let line = ["-rtmpAddr", "0.0.0.0", "-httpAddr=:8935", "-cliAddr", "[::1]"];
    let table = file(&line);
    assert_eq!(text(&table, "rtmp.addr"), Some("0.0.0.0:1935"));
    assert_eq!(text(&table, "http.addr"), Some("127.0.0.1:8935"));
    assert_eq!(text(&table, "admin.addr"), Some("[::1]:5935"));
}

#[test]
fn orchestrators_come_from_the_webhook_or_the_list() {
    let table =
        file(&["-orchAddr", "o1, https://o2:1 ,", "-maxPricePerUnit", "3", "-pixelsPerUnit=2"]);
    assert_eq!(text(&table, "pool.name"), Some("default"));
    assert_eq!(text(&table, "pool.max_price"), Some("3/2"));
    let list = at(&table, "pool").unwrap()[0].get("orchestrator").unwrap().as_array().unwrap();
    assert_eq!((list.len(), list[1]["url"].as_str()), (2, Some("https://o2:1")));
    assert_eq!(at(&table, "transcode"), None);
    let line = ["-orchAddr", "o1", "-orchWebhookUrl", "https://list/"];
    let table = file(&line);
    assert_eq!(text(&table, "pool.webhook"), Some("https://list/"));
    assert_eq!(at(&table, "pool.orchestrator"), None);
    assert!(remarks(&line).contains("-orchAddr: -orchWebhookUrl wins"));
}

#[test]
fn a_webhook_has_to_give_names_that_are_not_keys() {
    let said = remarks(&["-authWebhookUrl", "https://u:sesame@hook/auth"]);
    assert!(said.contains("-authWebhookUrl: must answer a manifestID"), "{said}");
    assert!(!said.contains("sesame"));
    assert!(!remarks(&["-authWebhookUrl="]).contains("manifestID"));
}

#[test]
fn push_is_on_unless_it_is_switched_off() {
    assert_eq!(at(&file(&["-httpIngest=false"]), "push.enabled"), Some(&false.into()));
    for on in [&["-httpIngest"][..], &["-httpIngest=true"], &[]] {
        assert_eq!(at(&file(on), "push"), None, "{on:?}");
    }
    assert!(refusals(&["-httpIngest=maybe"]).starts_with("-httpIngest: expected true or false"));
}

#[test]
fn every_other_setting_finds_its_place() {
    let line = [
        "-maxSessions",
        "25",
        "-dataDir",
        "/srv/lp",
        "-v=6",
        "-region",
        "fra",
        "-maxAttempts",
        "2",
        "-authWebhookUrl",
        "https://hook/auth",
        "-transcodingOptions",
        "profiles.json",
        "-orchAddr",
        "o",
    ];
    let table = file(&line);
    assert_eq!(at(&table, "streams"), Some(&25.into()));
    assert_eq!(text(&table, "data_dir"), Some("/srv/lp"));
    assert!(text(&table, "log.filter").unwrap().contains("headgate=trace"));
    assert_eq!(text(&table, "router.region"), Some("fra"));
    assert_eq!(at(&table, "router.attempts"), Some(&2.into()));
    assert_eq!(text(&table, "auth_webhook"), Some("https://hook/auth"));
    assert_eq!((at(&table, "open"), at(&table, "transcode")), (None, None));
    assert_eq!(text(&table, "ladder.name"), Some("p"));
    let settings = translated(&line, &[]).settings;
    assert!(settings.iter().any(|it| it.to_string() == "-dataDir: data_dir"), "{settings:?}");
}

#[test]
fn no_attempts_is_no_transcoding() {
    for none in ["0", "-3"] {
        let table = file(&["-orchAddr", "o", "-maxAttempts", none]);
        assert_eq!(at(&table, "transcode"), Some(&false.into()), "{none}");
        assert_eq!(at(&table, "router"), None);
    }
}

#[test]
fn variables_and_the_file_count_too_and_say_where_they_stand() {
    let variables =
        [("LP_MAXSESSIONS", "5"), ("LP_KAFKAPASSWORD", "sesame"), ("LIVE_AI_WHIP_ADDR", ":1")];
    let translation = translated(&["-config", "node.conf"], &variables);
    let table: Table = translation.toml.expose().parse().unwrap();
    assert_eq!(at(&table, "streams"), Some(&5.into()));
    assert_eq!(text(&table, "rtmp.addr"), Some("0.0.0.0:1935"));
    let refused: Vec<_> = translation.refused.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(refused, ["LP_KAFKAPASSWORD", "LIVE_AI_WHIP_ADDR"]);
    let missing = translated(&["-config", "nowhere"], &[]).refused;
    assert!(missing[0].to_string().starts_with("nowhere: can't be read"));
}

#[test]
fn what_is_not_built_is_refused_with_a_reason_unless_it_asks_for_nothing() {
    for flag in flag_table::flags() {
        let Meaning::Absent(reason) = flag.meaning else { continue };
        let value = match flag.kind {
            Kind::Switch if flag.default == "true" => "false",
            Kind::Switch => "true",
            Kind::Value => "sesame",
        };
        let given = format!("-{}={value}", flag.name);
        assert_eq!(refusals(&[&given]), format!("-{}: {reason}\n", flag.name));
        let default = format!("-{}={}", flag.name, flag.default);
        assert_eq!(refusals(&[&default]), "", "{default}");
    }
}

#[test]
fn what_the_gateway_does_without_is_named_and_changes_nothing() {
    let plain = file(&[]);
    for flag in flag_table::flags() {
        let Meaning::Needless(reason) = flag.meaning else { continue };
        let value = match flag.kind {
            Kind::Switch => "true",
            Kind::Value => "sesame",
        };
        let given = format!("-{}={value}", flag.name);
        assert_eq!(file(&[&given]), plain, "{given}");
        let said = remarks(&[&given]);
        assert!(said.contains(&format!("-{}: {reason}\n", flag.name)), "{said}");
    }
}

const ACCOUNT: &str = "0x00000000000000000000000000000000000000aa";
const NODE: &str = "https://rpc.example/v2/sesame";

/// A line that pays on-chain, with more flags.
fn paying(more: &[&'static str]) -> Vec<&'static str> {
    let line = ["-network", "arbitrum-one-mainnet", "-ethUrl", NODE, "-orchAddr", "o"];
    [&line[..], more].concat()
}

#[test]
fn on_chain_flags_are_the_payments_section() {
    let table = file(&paying(&[
        "-ethKeystorePath=/keys",
        "-ethPassword=password.txt",
        "-ethAcctAddr",
        ACCOUNT,
        "-ethController",
        ACCOUNT,
        "-maxTicketEV=3000000000000000000000",
        "-maxTotalEV=4",
        "-depositMultiplier=5",
    ]));
    let expected = format!(
        "mode = \"onchain\"\neth_keystore_path = \"/keys\"\neth_password = \"password.txt\"\n\
         eth_acct_addr = \"{ACCOUNT}\"\neth_controller = \"{ACCOUNT}\"\neth_url = \"{NODE}\"\n\
         network = \"arbitrum-one-mainnet\"\nmax_ticket_ev = \"3000000000000000000000\"\n\
         max_total_ev = \"4\"\ndeposit_multiplier = 5\n"
    );
    assert_eq!(at(&table, "payments").unwrap().as_table(), Some(&expected.parse().unwrap()));
    let usual = file(&paying(&["-dataDir", "/srv/lp"]));
    assert_eq!(text(&usual, "payments.eth_keystore_path"), Some("/srv/lp/keystore"));
    assert_eq!(at(&usual, "payments.max_ticket_ev"), None, "the default is go-livepeer's");
    let config = Config::parse(&usual.to_string(), &ServeArgs::default()).unwrap().payments;
    assert!(matches!(config.payer, Some(PayerSource::Key { .. })), "{config:?}");
    let settings = translated(&paying(&["-maxTotalEV=4"]), &[]).settings;
    assert!(settings.iter().any(|it| it.to_string() == "-maxTotalEV: payments.max_total_ev"));
}

#[test]
fn off_chain_nothing_is_paid_whatever_else_is_said() {
    let flags = ["-ethUrl=-", "-ethAcctAddr=-", "-ethPassword=sesame", "-maxTicketEV=-1"];
    for line in [&flags[..], &[&flags[..], &["-network", "offchain"]].concat()] {
        assert_eq!(file(line), file(&[]));
        let said = remarks(line);
        assert!(said.contains("-ethUrl: matters to payments only"), "{said}");
        assert!(!said.contains("-network:"), "{said}");
    }
}

#[test]
fn a_remote_signer_needs_a_node_and_no_key() {
    let line = ["-remoteSignerUrl", "signer.example:8935/x", "-ethUrl", NODE, "-orchAddr", "o"];
    let mut line = line.to_vec();
    let table = file(&line);
    assert_eq!(text(&table, "payments.mode"), Some("signer"));
    assert_eq!(text(&table, "payments.signer_url"), Some("https://signer.example:8935"));
    assert_eq!(at(&table, "payments.network"), None, "the public one");
    line.extend(["-ethKeystorePath", "/keys", "-ethPassword", "sesame", "-network", "offchain"]);
    assert_eq!(file(&line), table);
    let said = remarks(&line);
    assert!(said.contains("-ethPassword: the signer of -remoteSignerUrl holds"), "{said}");
    assert!(said.contains("-remoteSignerUrl: must be a `headgate signer`"), "{said}");
    let said = refusals(&["-remoteSignerUrl", "user:sesame@signer.example"]);
    assert!(said.starts_with("-remoteSignerUrl: not a signer's URL"), "{said}");
    assert!(said.contains("-ethUrl: missing") && !said.contains("sesame"), "{said}");
}

#[test]
fn payments_that_can_not_be_had_are_refused() {
    let line = [
        "-network=rinkeby",
        "-ethUrl=wss://rpc.example/sesame",
        "-ethPassword=sesame",
        "-ethAcctAddr=sesame",
        "-ethController=sesame",
        "-maxTicketEV=0",
        "-maxTotalEV=1e9",
        "-depositMultiplier=0",
    ];
    let said = refusals(&line);
    for wanted in [
        "-network: expected \"offchain\" or \"arbitrum-one-mainnet\"",
        "-ethUrl: a node's address begins with",
        "-ethKeystorePath: missing on-chain",
        "-ethPassword: expected a file",
        "-ethAcctAddr: not an address",
        "-ethController: not an address",
        "-maxTicketEV: expected whole wei",
        "-maxTotalEV: expected whole wei",
        "-depositMultiplier: expected a whole number from 1",
        "-maxPricePerUnit: missing: whoever is registered",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert!(!said.contains("sesame"), "{said}");
}

#[test]
fn on_chain_the_registry_is_the_list_where_none_is_given() {
    let line = ["-network=arbitrum-one-mainnet", "-ethUrl", NODE, "-ethKeystorePath=/keys"];
    let line = [&line[..], &["-maxPricePerUnit=1200"]].concat();
    let table = file(&line);
    assert_eq!(at(&table, "pool.registered"), Some(&true.into()));
    assert_eq!(text(&table, "pool.max_price"), Some("1200/1"));
    assert_eq!((at(&table, "transcode"), at(&table, "pool.orchestrator")), (None, None));
    let config = Config::parse(&table.to_string(), &ServeArgs::default()).unwrap();
    assert!(config.transcoding.pools[0].registered.is_some());
    let said = remarks(&line);
    assert!(said.contains("-orchAddr: neither this nor"), "{said}");
    assert_eq!(at(&file(&paying(&["-ethKeystorePath=/keys"])), "pool.registered"), None);
    let free = [&line[..], &["-maxPricePerUnit=0"]].concat();
    assert!(refusals(&free).starts_with("-maxPricePerUnit: missing: whoever is registered"));
    let bad = refusals(&[&line[..], &["-maxPricePerUnit=dear"]].concat());
    assert_eq!(bad.lines().count(), 1, "one fault, said once: {bad}");
}

#[test]
fn a_nodes_key_is_not_shown() {
    let translation = translated(&paying(&["-ethKeystorePath=/keys"]), &[]);
    assert!(translation.toml.expose().contains(NODE));
    let said = format!("{translation:?}{}", translation.shown);
    assert!(said.contains("eth_url = \"https://rpc.example/***\""), "{said}");
    assert!(!said.contains("sesame"), "{said}");
}

#[test]
fn settings_that_can_not_be_used_are_refused() {
    for (line, wanted) in [
        (&["-maxSessions", "auto"][..], "-maxSessions: expected a whole number from 1"),
        (&["-maxSessions", "0"], "-maxSessions: expected"),
        (&["-maxAttempts", "11"], "-maxAttempts: expected a whole number from 0 to 10"),
        (
            &["-maxPricePerUnit", "0.5USD"],
            "-maxPricePerUnit: currency \"USD\": give wei or eth here",
        ),
        (&["-maxPricePerUnit", "dear"], "-maxPricePerUnit: "),
        (&["-maxPricePerUnit", "1", "-pixelsPerUnit", "0"], "-maxPricePerUnit: pixelsPerUnit"),
        (&["-transcodingOptions", "P1p"], "-transcodingOptions: unknown preset \"P1p\""),
        (&["-v", "loud"], "-v: expected"),
    ] {
        let said = refusals(line);
        assert!(said.starts_with(wanted), "{line:?}: {said}");
    }
}

#[test]
fn no_remark_quotes_what_may_be_secret() {
    let line = [
        "-ethPassword",
        "sesame",
        "-kafkaPassword",
        "sesame",
        "-recordStore",
        "s3://k:sesame@r/b",
        "-remoteSignerHeaders",
        "authorization:sesame",
        "-authWebhookUrl",
        "https://u:sesame@h/",
        "-orchWebhookUrl",
        "https://u:sesame@l/",
        "-liveAIAuthApiKey=sesame",
        "-httpIngest=sesame",
    ];
    let translation = translated(&line, &[]);
    assert!(translation.refused.len() >= 4);
    let said = format!("{translation:?}{}", translation.shown);
    assert!(said.contains("auth_webhook = \"https://***@h/\""), "{said}");
    assert!(!said.contains("sesame"), "{said}");
    assert!(translation.toml.expose().contains("https://u:sesame@h/"));
}

#[test]
fn every_flag_stands_in_the_table_once() {
    let mut names: Vec<_> = flag_table::flags().map(|flag| flag.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count > 100, "{count}");
}
