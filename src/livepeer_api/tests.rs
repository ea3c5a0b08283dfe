//! What scripts send, and what they read.

use std::{num::NonZeroU32, sync::Mutex, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header},
};
use media::{Ladder, RenditionName, RenditionProfile, StreamName};
use orchestrator::PixelPrice;
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;

/// A gateway that keeps what it is told.
#[derive(Debug, Default)]
struct Gateway {
    streams: Vec<StreamFacts>,
    ladder: Mutex<Option<Ladder>>,
    max_price: Mutex<Option<PixelPrice>>,
    streams_max: Mutex<Option<NonZeroU32>>,
    immutable: bool,
    payer: Option<PayerFacts>,
}

impl GatewayFacts for Gateway {
    fn streams(&self) -> Vec<StreamFacts> {
        self.streams.clone()
    }

    fn orchestrators(&self) -> Vec<OrchestratorFacts> {
        let known = OrchestratorFacts {
            address: "o1.example".parse().unwrap(),
            score: 0.5,
            latency: Some(Duration::from_millis(12)),
            price: PixelPrice::new(1_000, 2_000),
            active: true,
        };
        let unknown = OrchestratorFacts {
            address: "http://o2.example:1".parse().unwrap(),
            latency: None,
            price: None,
            active: false,
            ..known.clone()
        };
        vec![known, unknown]
    }

    fn ladder(&self) -> Option<Ladder> {
        self.ladder.lock().unwrap().clone()
    }

    fn max_price(&self) -> Option<PixelPrice> {
        *self.max_price.lock().unwrap()
    }

    fn log_level(&self) -> u8 {
        3
    }

    fn payer(&self) -> Option<PayerFacts> {
        self.payer.clone()
    }

    fn set_ladder(&self, ladder: Ladder) {
        *self.ladder.lock().unwrap() = Some(ladder);
    }

    fn set_max_price(&self, price: Option<PixelPrice>) -> Result<(), SettingRefused> {
        if self.immutable {
            return Err(SettingRefused("the file says otherwise".to_owned()));
        }
        *self.max_price.lock().unwrap() = price;
        Ok(())
    }

    fn set_streams_max(&self, streams: NonZeroU32) {
        *self.streams_max.lock().unwrap() = Some(streams);
    }
}

fn stream(name: &str, pushed_as: Option<&str>) -> StreamFacts {
    let rendition = |name: Option<&str>, size, bandwidth| RenditionFacts {
        name: name.map(|name| RenditionName::new(name).unwrap()),
        size,
        bandwidth,
    };
    StreamFacts {
        manifest: StreamName::new(name).unwrap(),
        pushed_as: pushed_as.map(str::to_owned),
        renditions: vec![
            rendition(None, Some((1280, 720)), 4_000_000),
            rendition(Some("P240p30fps16x9"), None, 600_000),
        ],
        source_bytes: 1_000,
        transcoded_bytes: 300,
    }
}

async fn send(gateway: &Arc<Gateway>, request: Request<Body>) -> (StatusCode, String) {
    let facts: Arc<dyn GatewayFacts> = Arc::clone(gateway) as _;
    let answer = service(facts).oneshot(request).await.unwrap();
    let status = answer.status();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        assert_eq!(answer.headers()[header::ALLOW], "POST");
    }
    let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn request(method: Method, path: &str, form: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "127.0.0.1:5935")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap()
}

async fn shown(gateway: &Arc<Gateway>, path: &str) -> String {
    let (status, got) = send(gateway, request(Method::GET, path, "")).await;
    let (_, posted) = send(gateway, request(Method::POST, path, "")).await;
    assert_eq!(status, StatusCode::OK, "{path}");
    assert_eq!(got, posted, "{path}: GET and POST alike");
    got
}

async fn json(gateway: &Arc<Gateway>, path: &str) -> Value {
    serde_json::from_str(&shown(gateway, path).await).unwrap()
}

async fn post_form(gateway: &Arc<Gateway>, path: &str, form: &str) -> (StatusCode, String) {
    send(gateway, request(Method::POST, path, form)).await
}

#[tokio::test]
async fn status_has_the_fields_that_scripts_read() {
    let streams = vec![stream("old", None), stream("new", Some("outside"))];
    let gateway = Arc::new(Gateway { streams, ..Gateway::default() });
    let mut status = json(&gateway, "/status").await;
    let runtime = ["Version", "GOArch", "GOOS"].map(|key| status[key].take());
    assert!(runtime.iter().all(|value| value.as_str().is_some_and(|text| !text.is_empty())));
    let playlist = |name: &str| {
        json!({ "Args": "", "CypherVersion": "", "Variants": [
            { "URI": format!("{name}/source.m3u8"), "Bandwidth": 4_000_000, "Resolution": "1280x720" },
            { "URI": format!("{name}/P240p30fps16x9.m3u8"), "Bandwidth": 600_000, "Resolution": "" },
        ]})
    };
    let info = json!({ "SourceBytes": 1_000, "TranscodedBytes": 300 });
    let expected = json!({
        "Manifests": { "old": playlist("old"), "new": playlist("new") },
        "InternalManifests": { "outside": "new" },
        "StreamInfo": { "old": info, "new": info },
        "OrchestratorPool": ["https://o1.example:8935", "http://o2.example:1"],
        "OrchestratorPoolInfos": [
            { "Url": "https://o1.example:8935", "Score": 0.5, "Latency": 12_000_000 },
            { "Url": "http://o2.example:1", "Score": 0.5, "Latency": null },
        ],
        "Version": null, "GolangRuntimeVersion": "", "GOArch": null, "GOOS": null,
        "RegisteredTranscodersNumber": 0, "RegisteredTranscoders": [],
        "LocalTranscoding": false, "BroadcasterPrices": {},
    });
    assert_eq!(status, expected);
}

#[tokio::test]
async fn the_newest_stream_is_named() {
    let idle = Arc::new(Gateway::default());
    assert_eq!(shown(&idle, "/streamID").await, "");
    assert_eq!(shown(&idle, "/manifestID").await, "");
    let streams = vec![stream("old", None), stream("new", None)];
    let gateway = Arc::new(Gateway { streams, ..Gateway::default() });
    assert_eq!(shown(&gateway, "/streamID").await, "new/source");
    assert_eq!(shown(&gateway, "/manifestID").await, "new");
    assert_eq!(json(&gateway, "/localStreams").await, json!([]));
}

#[tokio::test]
async fn roles_chain_and_log_level_are_told() {
    let gateway = Arc::new(Gateway::default());
    for (path, answer) in [
        ("/EthChainID", "0"),
        ("/IsOrchestrator", "false"),
        ("/IsRedeemer", "false"),
        ("/getLogLevel", "3"),
    ] {
        assert_eq!(shown(&gateway, path).await, answer, "{path}");
    }
    let expected = json!([
        { "Address": "", "ServiceURI": "https://o1.example:8935", "PricePerPixel": "1/2", "Active": true },
        { "Address": "", "ServiceURI": "http://o2.example:1", "PricePerPixel": null, "Active": false },
    ]);
    assert_eq!(json(&gateway, "/registeredOrchestrators").await, expected);
}

#[tokio::test]
async fn who_pays_and_from_what_is_told() {
    let address = "0x00000000000000000000000000000000000000aA".to_owned();
    let deposit =
        "115792089237316195423570985008687907853269984665640564039457584007913129639935".to_owned();
    let funds = PayerFunds { deposit, reserve: "30".to_owned(), withdraw_round: "0".to_owned() };
    let payer = PayerFacts { address, chain_id: Some(42_161), funds: Some(funds), fault: None };
    let gateway = |payer| Arc::new(Gateway { payer: Some(payer), ..Gateway::default() });
    let funded = gateway(payer.clone());
    assert_eq!(shown(&funded, "/ethAddr").await, payer.address);
    assert_eq!(shown(&funded, "/EthChainID").await, "42161");
    assert_eq!(
        shown(&funded, "/senderInfo").await,
        r#"{"Deposit":115792089237316195423570985008687907853269984665640564039457584007913129639935,"WithdrawRound":0,"Reserve":{"FundsRemaining":30,"ClaimedInCurrentRound":null}}"#
    );
    let fault = Some("no node answers".to_owned());
    let unknown = gateway(PayerFacts { funds: None, fault, ..payer.clone() });
    let asked = || request(Method::GET, "/senderInfo", "");
    let (status, text) = send(&unknown, asked()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("not known yet: no node answers"), "{text}");
    let offline = gateway(PayerFacts { chain_id: None, funds: None, ..payer });
    let (status, text) = send(&offline, asked()).await;
    assert_eq!((status, text.contains("offline")), (StatusCode::NOT_IMPLEMENTED, true));
    assert_eq!(shown(&offline, "/EthChainID").await, "0");
}

#[tokio::test]
async fn every_option_offered_can_be_set() {
    let gateway = Arc::new(Gateway::default());
    let offered: Vec<String> =
        serde_json::from_value(json(&gateway, "/getAvailableTranscodingOptions").await).unwrap();
    let of_go_livepeer = [
        "P720p60fps16x9",
        "P720p30fps16x9",
        "P720p25fps16x9",
        "P720p30fps4x3",
        "P576p30fps16x9",
        "P576p25fps16x9",
        "P360p30fps16x9",
        "P360p25fps16x9",
        "P360p30fps4x3",
        "P240p30fps16x9",
        "P240p25fps16x9",
        "P240p30fps4x3",
        "P144p30fps16x9",
    ];
    for name in of_go_livepeer {
        assert!(offered.iter().any(|it| it == name), "{name}");
    }
    for name in &offered {
        assert!(RenditionProfile::preset(name).is_ok(), "{name}");
        let form = format!("transcodingOptions={name}");
        assert_eq!(post_form(&gateway, "/setBroadcastConfig", &form).await.0, StatusCode::OK);
        let set = &json(&gateway, "/getBroadcastConfig").await["TranscodingOptions"];
        assert_eq!(set.as_str(), Some(name.as_str()));
    }
}

#[tokio::test]
async fn the_broadcast_config_is_set_and_shown() {
    let gateway = Arc::new(Gateway::default());
    let empty = json!({ "MaxPrice": null, "TranscodingOptions": "" });
    assert_eq!(json(&gateway, "/getBroadcastConfig").await, empty);
    let form =
        "maxPricePerUnit=1&pixelsPerUnit=2&transcodingOptions=P720p25fps16x9%2CP360p25fps16x9";
    assert_eq!(post_form(&gateway, "/setBroadcastConfig", form).await.0, StatusCode::OK);
    let set = json!({ "MaxPrice": "1/2", "TranscodingOptions": "P720p25fps16x9,P360p25fps16x9" });
    assert_eq!(json(&gateway, "/getBroadcastConfig").await, set);
    let any_price = "/setBroadcastConfig?maxPricePerUnit=0&pixelsPerUnit=1";
    assert_eq!(post_form(&gateway, any_price, "").await.0, StatusCode::OK);
    assert_eq!(json(&gateway, "/getBroadcastConfig").await["MaxPrice"], Value::Null);
    let in_eth = "maxPricePerUnit=0.5&pixelsPerUnit=1000000000000&currency=ETH";
    assert_eq!(post_form(&gateway, "/setBroadcastConfig", in_eth).await.0, StatusCode::OK);
    assert_eq!(json(&gateway, "/getBroadcastConfig").await["MaxPrice"], "500000");
    let large_unit = "maxPricePerUnit=3/2&pixelsPerUnit=1e12";
    assert_eq!(post_form(&gateway, "/setBroadcastConfig", large_unit).await.0, StatusCode::OK);
    let price = &json(&gateway, "/getBroadcastConfig").await["MaxPrice"];
    assert_eq!(*price, "3/2000000000000");
}

#[tokio::test]
async fn a_bad_parameter_changes_nothing_at_all() {
    let gateway = Arc::new(Gateway::default());
    for (form, named) in [
        ("maxPricePerUnit=1", "belong together"),
        ("maxPricePerUnit=-1&pixelsPerUnit=1", "maxPricePerUnit"),
        ("maxPricePerUnit=1&pixelsPerUnit=0", "pixelsPerUnit"),
        ("maxPricePerUnit=1&pixelsPerUnit=1&currency=USD", "currency"),
        ("maxPricePerUnit=99&pixelsPerUnit=1&currency=eth", "out of range"),
        ("maxPricePerUnit=1&pixelsPerUnit=2&transcodingOptions=P1080p", "P1080p"),
        ("maxPricePerUnit=1&pixelsPerUnit=2&transcodingOptions=,", "invalid transcoding"),
    ] {
        let (status, text) = post_form(&gateway, "/setBroadcastConfig", form).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{form}");
        assert!(text.contains(named), "{form}: {text}");
    }
    assert_eq!(gateway.max_price(), None);
    assert_eq!(gateway.ladder(), None);
    let long = format!("transcodingOptions={}", "x".repeat(64 << 10));
    let (status, _) = post_form(&gateway, "/setBroadcastConfig", &long).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn the_number_of_streams_is_set() {
    let gateway = Arc::new(Gateway::default());
    let (status, text) = post_form(&gateway, "/setMaxSessions", "maxSessions=7").await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, "Max sessions set to 7\n"));
    assert_eq!(*gateway.streams_max.lock().unwrap(), NonZeroU32::new(7));
    for form in ["", "maxSessions=0", "maxSessions=-1", "maxSessions=auto", "maxSessions=many"] {
        let (status, _) = post_form(&gateway, "/setMaxSessions", form).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{form}");
    }
    assert_eq!(*gateway.streams_max.lock().unwrap(), NonZeroU32::new(7));
}

#[tokio::test]
async fn settings_are_changed_by_post_only_and_not_by_pages_of_others() {
    let gateway = Arc::new(Gateway::default());
    for path in
        ["/setMaxSessions?maxSessions=7", "/setBroadcastConfig?transcodingOptions=P720p30fps16x9"]
    {
        for method in [Method::GET, Method::HEAD, Method::PUT] {
            let (status, text) = send(&gateway, request(method.clone(), path, "")).await;
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert!(method == Method::HEAD || text.contains("POST"), "{text}");
        }
        let mut of_a_page = request(Method::POST, path, "");
        let origin = "http://evil.example".parse().unwrap();
        of_a_page.headers_mut().insert(header::ORIGIN, origin);
        assert_eq!(send(&gateway, of_a_page).await.0, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(*gateway.streams_max.lock().unwrap(), None);
    assert_eq!(gateway.ladder(), None);
    let mut of_ours = request(Method::POST, "/setMaxSessions", "maxSessions=7");
    of_ours.headers_mut().insert(header::ORIGIN, "http://127.0.0.1:5935".parse().unwrap());
    assert_eq!(send(&gateway, of_ours).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_setting_that_stays_says_why() {
    let gateway = Arc::new(Gateway { immutable: true, ..Gateway::default() });
    let form = "maxPricePerUnit=1&pixelsPerUnit=1&transcodingOptions=P720p30fps16x9";
    let (status, text) = post_form(&gateway, "/setBroadcastConfig", form).await;
    assert_eq!((status, text.as_str()), (StatusCode::NOT_IMPLEMENTED, "the file says otherwise\n"));
    assert_eq!(gateway.ladder(), None, "nothing of the form is taken over");
}

#[tokio::test]
async fn what_has_no_counterpart_says_so() {
    let gateway = Arc::new(Gateway::default());
    for (path, named) in [
        ("/senderInfo", "[payments]"),
        ("/ethAddr", "[payments]"),
        ("/fundDepositAndReserve", "headgate wallet"),
        ("/tokenBalance", "headgate wallet status"),
        ("/setMaxGasPrice", "--max-gas-price"),
        ("/signMessage", "nothing else"),
        ("/currentRound", "ask a node"),
        ("/setMaxPriceForCapability", "AI"),
        ("/setLogLevel", "--log"),
    ] {
        for method in [Method::GET, Method::POST] {
            let (status, text) = send(&gateway, request(method, path, "")).await;
            assert_eq!(status, StatusCode::NOT_IMPLEMENTED, "{path}");
            assert!(text.contains(named), "{path}: {text}");
        }
    }
}
