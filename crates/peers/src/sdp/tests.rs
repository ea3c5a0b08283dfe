use proptest::prelude::*;

use super::*;

/// As Chromium sends it, cut down: audio first, candidates, no SSRC of its own for the audio.
pub(crate) const OFFER: &str = "v=0\r\no=- 4611 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
a=group:BUNDLE 0 1\r\na=msid-semantic: WMS s\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\nc=IN IP4 0.0.0.0\r\n\
a=candidate:1 1 udp 2113937151 host.local 50000 typ host\r\n\
a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijkl\r\na=ice-options:trickle\r\n\
a=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n\
a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104\r\nc=IN IP4 0.0.0.0\r\n\
a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijkl\r\n\
a=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\na=mid:1\r\na=sendonly\r\na=rtcp-mux\r\n\
a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
a=rtpmap:103 H264/90000\r\n\
a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
a=rtpmap:104 rtx/90000\r\na=fmtp:104 apt=103\r\n\
a=ssrc-group:FID 1111 2222\r\na=ssrc:1111 cname:x\r\na=ssrc:2222 cname:x\r\n";

fn changed(from: &str, to: &str) -> Result<Offer, OfferError> {
    assert!(OFFER.contains(from), "{from}");
    Offer::parse(&OFFER.replace(from, to))
}

#[test]
fn an_offer_loses_its_candidates_and_gains_the_ssrc_it_lacks() {
    let offer = Offer::parse(OFFER).unwrap();
    assert!(!offer.text.contains("candidate"));
    assert!(
        offer
            .text
            .contains("a=ssrc:1 cname:publisher\r\na=ssrc:1 msid:publisher track1\r\nm=video")
    );
    assert!(!offer.text.contains("a=ssrc:2 "));
    assert_eq!(offer.repairs, [(2222, 1111)]);
    assert_eq!(offer.setup, Setup::TheyConnect);
    assert!(offer.has_audio() && offer.layers().is_empty());
    assert_eq!(offer.credentials().ufrag(), "abcd");
    assert!(!format!("{offer:?}").contains("password"));
}

#[test]
fn a_passive_client_waits_for_our_hello() {
    assert_eq!(changed("setup:actpass", "setup:passive").unwrap().setup, Setup::WeConnect);
    assert!(changed("setup:actpass", "setup:holdconn").is_err());
}

const LAYERS: &str = "a=mid:1\r\na=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
a=rid:h send\r\na=rid:l send\r\na=simulcast:send h;l\r\n";

#[test]
fn layers_are_known_but_the_library_sees_one_source() {
    let offer = changed("a=mid:1\r\n", LAYERS).unwrap();
    assert_eq!(offer.layers().iter().map(Layer::id).collect::<Vec<_>>(), ["h", "l"]);
    assert_eq!(offer.layers_left_out(), 0);
    assert!(!offer.text.contains("simulcast") && !offer.text.contains("a=rid"));
}

#[test]
fn of_layers_without_ids_the_first_is_taken() {
    let group = "a=ssrc-group:SIM 1111 3333 5555\r\na=ssrc-group:FID 3333 4444\r\na=ssrc-group:FID";
    let offer = changed("a=ssrc-group:FID", group).unwrap();
    assert!(offer.layers().is_empty());
    assert_eq!(offer.layers_left_out(), 2);
    assert_eq!(offer.passed_over, [3333, 5555, 4444]);
    assert!(Offer::parse(OFFER).unwrap().passed_over.is_empty());
}

#[test]
fn parameter_sets_of_the_h264_format_are_known() {
    let format = "profile-level-id=42e01f;sprop-parameter-sets=Z0LgHg==,aM4=";
    let offer = changed("profile-level-id=42e01f", format).unwrap();
    assert_eq!(offer.parameter_sets(), [&[0x67, 0x42, 0xE0, 0x1E][..], &[0x68, 0xCE]]);
    let elsewhere = changed("apt=96", "sprop-parameter-sets=Z0LgHg==,aM4=").unwrap();
    assert!(elsewhere.parameter_sets().is_empty());
}

#[test]
fn a_restart_changes_credentials_and_version_and_nothing_else() {
    let offer = Offer::parse(OFFER).unwrap();
    let fresh = Credentials::new("wxyz", "ABCDEFGHIJKLMNOPQRSTUVWX").unwrap();
    let restarted = offer.restarted(fresh.clone());
    assert_eq!(restarted.credentials(), &fresh);
    let expected = offer
        .text
        .replace("o=- 4611 2 ", "o=- 4611 3 ")
        .replace("ufrag:abcd", "ufrag:wxyz")
        .replace("pwd:0123456789abcdefghijkl", "pwd:ABCDEFGHIJKLMNOPQRSTUVWX");
    assert_eq!(restarted.text, expected);
}

#[test]
fn refusals_say_what_is_wrong() {
    let said = |from: &str, to: &str| changed(from, to).unwrap_err().to_string();
    assert_eq!(
        said("103 H264/90000", "103 VP9/90000"),
        "the offer's video is VP8, VP9; this gateway takes H.264 (Baseline, Main or High)"
    );
    assert_eq!(
        said("111 opus/", "111 PCMU/"),
        "the offer's audio is PCMU; this gateway takes Opus"
    );
    assert!(said("m=audio 9", "m=application 9").contains("only audio and video"));
    assert!(said("m=audio 9", "m=video 9").contains("more than one video"));
    assert!(said("a=group:BUNDLE 0 1\r\n", "").contains("BUNDLE"));
    assert!(said("a=rtcp-mux\r\n", "").contains("rtcp-mux"));
    assert!(said("sha-256", "sha-1").contains("fingerprint"));
    assert!(said("ice-pwd:0123456789abcdefghijkl", "ice-pwd:short").contains("ICE"));
    assert_eq!(said("a=sendonly", "a=recvonly"), "the offer sends no video");
    for malformed in ["", "v=1", "no description", "v=0\r\nnonsense"] {
        assert!(Offer::parse(malformed).unwrap_err().is_malformed(), "{malformed}");
    }
    assert!(!changed("103 H264/90000", "103 AV1/90000").unwrap_err().is_malformed());
}

#[test]
fn texts_are_bounded() {
    let lines = format!("{OFFER}{}", "a=x\r\n".repeat(10_000));
    assert_eq!(Offer::parse(&lines).unwrap_err(), TextError::TooManyLines.into());
    let long = format!("{OFFER}a={}\r\n", "x".repeat(LINE_BYTES_MAX));
    assert!(matches!(Offer::parse(&long), Err(OfferError::Text(TextError::LongLine(_)))));
    let sections = format!("{OFFER}{}", "m=video 0 X 0\r\n".repeat(SECTIONS_MAX));
    assert_eq!(Offer::parse(&sections).unwrap_err(), TextError::TooManySections.into());
    let large =
        format!("{OFFER}{}", "a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n".repeat(1_900));
    assert_eq!(Offer::parse(&large).unwrap_err(), TextError::TooLong(OFFER_BYTES_MAX).into());
}

/// What names codecs and layers many times over costs no more than its length. Read line by line for each
/// mention, this offer takes hours; so the bound is wide.
#[test]
fn an_offer_that_repeats_itself_is_read_at_once() {
    let maps = "a=rtpmap:1 X\r\n".repeat(1_900);
    let (types, names) = (vec!["1"; 2_000].join(","), vec!["a"; 2_000].join(";"));
    let extension = "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
    let more = format!(
        "a=mid:1\r\n{maps}{extension}\r\na=rid:a send pt={types}\r\na=simulcast:send {names}\r\n"
    );
    let began = tokio::time::Instant::now();
    let offer = changed("a=mid:1\r\n", &more).unwrap();
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(offer.layers().is_empty());
}

#[test]
fn fragments_bring_candidates_or_credentials() {
    let trickled = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijkl\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
a=candidate:1 1 udp 2113937151 x.local 50000 typ host generation 0\r\n\
a=candidate:2 1 tcp 1518280447 10.0.0.1 9 typ host tcptype active\r\na=end-of-candidates\r\n";
    let fragment = Fragment::parse(trickled).unwrap();
    assert_eq!(fragment.candidates, 2);
    assert_eq!(fragment.credentials.unwrap().ufrag(), "abcd");
    assert_eq!(Fragment::parse("a=end-of-candidates").unwrap().candidates, 0);
    for (text, error) in [
        ("a=ice-ufrag:abcd", FragmentError::Credentials),
        ("a=ice-ufrag:a\r\na=ice-pwd:b", FragmentError::Credentials),
        ("a=candidate:1 1 udp x 10.0.0.1 9 typ host", FragmentError::Candidate),
        ("a=candidate:", FragmentError::Candidate),
        ("a=mid:0", FragmentError::Empty),
        ("", FragmentError::Empty),
    ] {
        assert_eq!(Fragment::parse(text).unwrap_err(), error, "{text}");
    }
    assert!(matches!(Fragment::parse("<html>"), Err(FragmentError::Text(_))));
}

/// What the library answers to [`OFFER`], cut down.
const LIBRARY: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
a=fingerprint:sha-256 CC:DD\r\na=ice-lite\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=setup:passive\r\na=mid:0\r\n\
a=ice-ufrag:ours\r\na=ice-pwd:oursoursoursoursoursours\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n\
a=fmtp:111 minptime=10\r\na=recvonly\r\n\
a=candidate:1 1 udp 1 127.0.0.1 40000 typ host\r\na=candidate:2 1 tcp 1 127.0.0.1 9 typ host tcptype active\r\n\
a=end-of-candidates\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 103 104\r\nc=IN IP4 0.0.0.0\r\na=setup:passive\r\na=mid:1\r\n\
a=ice-ufrag:ours\r\na=ice-pwd:oursoursoursoursoursours\r\na=rtcp-mux\r\na=rtpmap:103 H264/90000\r\n\
a=fmtp:103 packetization-mode=1\r\na=rtpmap:104 rtx/90000\r\na=fmtp:104 apt=103\r\n\
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
a=extmap:10/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\na=recvonly\r\n";

fn candidates() -> HostCandidates {
    let address = "192.0.2.7:8189".parse().unwrap();
    HostCandidates { udp: vec![address], tcp: vec![address] }
}

fn answer(library: &str) -> Option<Answer> {
    Answer::new(library, &candidates(), &Simulcast::default())
}

#[test]
fn an_answer_has_our_candidates_once_and_what_browsers_need_to_hear() {
    let answer = answer(LIBRARY).unwrap();
    let ours = "a=candidate:1 1 udp 2130706431 192.0.2.7 8189 typ host\r\n\
a=candidate:2 1 tcp 1526726399 192.0.2.7 8189 typ host tcptype passive\r\na=end-of-candidates\r\n";
    assert_eq!(answer.text().matches("a=candidate").count(), 2);
    assert!(answer.text().contains(ours), "{}", answer.text());
    assert!(answer.text().contains("a=fmtp:111 minptime=10;stereo=1;sprop-stereo=1\r\n"));
    assert!(answer.text().contains("packetization-mode=1;x-google-start-bitrate=2500\r\n"));
    assert!(answer.text().contains("a=fmtp:104 apt=103\r\n"));
    assert_eq!(
        answer.fragment(),
        format!(
            "a=ice-lite\r\na=ice-ufrag:ours\r\na=ice-pwd:oursoursoursoursoursours\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n{ours}"
        )
    );
    let codecs = &answer.negotiated.codecs;
    assert_eq!(codecs.get(&111), Some(&Codec::Opus));
    assert_eq!(codecs.get(&103), Some(&Codec::H264));
    assert_eq!(codecs.get(&104), Some(&Codec::Repair { of: 103 }));
    assert_eq!((answer.negotiated.transport_wide, answer.negotiated.layer), (3, 10));
}

#[test]
fn an_answer_takes_the_layers_of_the_offer() {
    let offer = changed("a=mid:1\r\n", LAYERS).unwrap();
    let lines = "a=rid:h recv\r\na=rid:l recv\r\na=simulcast:recv h;l\r\n";
    let answer = |library: &str| Answer::new(library, &candidates(), &offer.simulcast).unwrap();
    assert!(answer(LIBRARY).text().ends_with(&format!("a=recvonly\r\n{lines}")));
    assert_eq!(answer(LIBRARY).layers(), offer.layers());
    let first = LIBRARY.find("m=audio").unwrap();
    let (head, audio) = LIBRARY.split_at(first);
    let (audio, video) = audio.split_at(audio.find("m=video").unwrap());
    // It follows the offer's sections.
    let swapped = format!("{head}{audio}{video}m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:2\r\n");
    assert!(answer(&swapped).text().contains(&format!("{lines}m=audio 0")));
    // A client that is not to say layers sends one.
    let mute = LIBRARY.replace("rtp-stream-id", "other");
    assert!(!answer(&mute).text().contains("simulcast") && answer(&mute).layers().is_empty());
}

#[test]
fn an_answer_without_video_is_none() {
    assert!(answer(&LIBRARY.replace("H264", "VP8")).is_none());
    assert!(answer(&LIBRARY.replace("ice-pwd", "pwd")).is_none());
}

proptest! {
    #[test]
    fn any_text_is_read(text in "\\PC{0,200}") {
        crate::fuzzing::offer(text.as_bytes());
        crate::fuzzing::fragment(text.as_bytes());
    }

    /// Any one line of an offer may be missing, doubled or changed.
    #[test]
    fn offers_with_a_changed_line_are_read(at in 0_usize..60, change in "\\PC{0,40}", how in 0_u8..3) {
        let mut lines: Vec<_> = OFFER.lines().map(str::to_owned).collect();
        let at = at % lines.len();
        match how {
            0 => { lines.remove(at); }
            1 => { let line = lines[at].clone(); lines.insert(at, line); }
            _ => lines[at].push_str(&change),
        }
        crate::fuzzing::offer(lines.join("\r\n").as_bytes());
    }

    #[test]
    fn what_is_written_for_a_restart_is_read(ufrag in "[A-Za-z0-9+/]{4,32}", password in "[A-Za-z0-9+/]{22,40}") {
        let credentials = Credentials::new(&ufrag, &password).unwrap();
        let text = fragment::write(&credentials, &[], &candidates());
        let read = Fragment::parse(&text).unwrap();
        prop_assert_eq!(read, Fragment { credentials: Some(credentials), candidates: 2 });
    }
}

#[test]
fn offers_of_real_clients_are_taken() {
    let chromium = include_str!("../../../../fixtures/chromium-156/offer.sdp");
    let layers = include_str!("../../../../fixtures/chromium-156/simulcast-offer.sdp");
    let last = include_str!("../../../../fixtures/chromium-156/h264-last-offer.sdp");
    let ffmpeg = include_str!("../../../../fixtures/ffmpeg-9.0/offer.sdp");
    let aiortc = include_str!("../../../../fixtures/aiortc-1.16/offer.sdp");
    for (text, setup, layers, repairs) in [
        (chromium, Setup::TheyConnect, 0, 1),
        (layers, Setup::TheyConnect, 3, 0),
        (last, Setup::TheyConnect, 0, 1),
        (ffmpeg, Setup::WeConnect, 0, 1),
        (aiortc, Setup::TheyConnect, 0, 1),
    ] {
        let offer = Offer::parse(text).unwrap();
        assert_eq!(offer.setup, setup);
        assert_eq!((offer.layers().len(), offer.repairs.len()), (layers, repairs));
        assert!(offer.has_audio());
        // What the library gets is an offer as well.
        assert!(Offer::parse(&offer.text).is_ok());
    }
}

#[test]
fn a_browser_that_offers_no_h264_is_told_what_it_offers() {
    let offer = include_str!("../../../../fixtures/chromium-156/no-h264-offer.sdp");
    let error = Offer::parse(offer).unwrap_err();
    assert!(!error.is_malformed());
    assert_eq!(
        error.to_string(),
        "the offer's video is VP8, VP9, AV1; this gateway takes H.264 (Baseline, Main or High)"
    );
}
