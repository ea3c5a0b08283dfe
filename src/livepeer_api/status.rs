//! JSON as go-livepeer's gateway writes it.

use orchestrator::PixelPrice;
use serde_json::{Map, Value, json};

use super::facts::{GatewayFacts, OrchestratorFacts, RenditionFacts, StreamFacts};

/// `/status`. What only orchestrators have is empty; there is no Go runtime to name.
pub(super) fn node_status(facts: &dyn GatewayFacts) -> Value {
    let (streams, orchestrators) = (facts.streams(), facts.orchestrators());
    let by_name = |value: fn(&StreamFacts) -> Value| -> Map<String, Value> {
        streams.iter().map(|stream| (stream.manifest.to_string(), value(stream))).collect()
    };
    let internal = streams.iter().filter_map(|stream| {
        Some((stream.pushed_as.clone()?, Value::from(stream.manifest.as_str())))
    });
    let pool: Vec<_> = orchestrators.iter().map(|it| it.address.to_string()).collect();
    let infos: Vec<_> = orchestrators.iter().map(pool_info).collect();
    json!({
        "Manifests": by_name(master_playlist),
        "InternalManifests": internal.collect::<Map<_, _>>(),
        "StreamInfo": by_name(stream_info),
        "OrchestratorPool": pool,
        "OrchestratorPoolInfos": infos,
        "Version": concat!("headgate-", env!("CARGO_PKG_VERSION")),
        "GolangRuntimeVersion": "",
        "GOArch": go_arch(),
        "GOOS": go_os(),
        "RegisteredTranscodersNumber": 0,
        "RegisteredTranscoders": [],
        "LocalTranscoding": false,
        "BroadcasterPrices": {},
    })
}

fn stream_info(stream: &StreamFacts) -> Value {
    json!({ "SourceBytes": stream.source_bytes, "TranscodedBytes": stream.transcoded_bytes })
}

fn master_playlist(stream: &StreamFacts) -> Value {
    let variants: Vec<_> = stream.renditions.iter().map(|it| variant(stream, it)).collect();
    json!({ "Variants": variants, "Args": "", "CypherVersion": "" })
}

fn variant(stream: &StreamFacts, rendition: &RenditionFacts) -> Value {
    let name = rendition.name.as_ref().map_or("source", |name| name.as_str());
    let resolution = rendition.size.map(|(width, height)| format!("{width}x{height}"));
    json!({
        "URI": format!("{}/{name}.m3u8", stream.manifest),
        "Bandwidth": rendition.bandwidth,
        "Resolution": resolution.unwrap_or_default(),
    })
}

/// Latencies are counted in nanoseconds, as Go does.
fn pool_info(orchestrator: &OrchestratorFacts) -> Value {
    let nanoseconds = |latency: std::time::Duration| u64::try_from(latency.as_nanos()).ok();
    json!({
        "Url": orchestrator.address.to_string(),
        "Score": orchestrator.score,
        "Latency": orchestrator.latency.and_then(nanoseconds),
    })
}

/// `/registeredOrchestrators`: those that work can go to, with the fields that make sense off-chain. Their
/// ETH addresses are not known.
pub(super) fn registered(facts: &dyn GatewayFacts) -> Value {
    let one = |it: &OrchestratorFacts| {
        json!({
            "Address": "",
            "ServiceURI": it.address.to_string(),
            "PricePerPixel": it.price.map(price),
            "Active": it.active,
        })
    };
    facts.orchestrators().iter().map(one).collect::<Vec<_>>().into()
}

/// A fraction as Go writes it: in its lowest terms, a whole number without the one below.
pub(super) fn price(price: PixelPrice) -> String {
    let price = price.in_lowest_terms();
    match (price.wei(), price.pixels()) {
        (wei, 1) => wei.to_string(),
        (wei, pixels) => format!("{wei}/{pixels}"),
    }
}

const fn go_arch() -> &'static str {
    if cfg!(target_arch = "x86_64") {
        "amd64"
    } else if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        std::env::consts::ARCH
    }
}

const fn go_os() -> &'static str {
    if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_in_lowest_terms() {
        let shown = |wei, pixels| price(PixelPrice::new(wei, pixels).unwrap());
        assert_eq!(shown(1_200, 1), "1200");
        assert_eq!(shown(1_000, 2_000), "1/2");
        assert_eq!(shown(10, 5), "2");
        assert_eq!(shown(0, 7), "0");
        assert_eq!(shown(u64::MAX, u64::MAX - 1), format!("{}/{}", u64::MAX, u64::MAX - 1));
    }
}
