// Plays one stream: waits until it is live, plays it, and starts again whenever it comes back.
"use strict";

(() => {
  const id = location.pathname.split("/").pop();
  const playlist = new URL(`/${id}.m3u8`, location.origin).href;

  const STATES = {
    unknown: ["Unknown stream", "No stream has this name. It starts here as soon as there is one."],
    waiting: ["Not live yet", "It starts here by itself as soon as it is live."],
    connecting: ["Connecting", ""],
    live: ["Live", ""],
    interrupted: ["Interrupted", "The publisher is away. It goes on by itself."],
    ended: ["Ended", "The stream is over. It starts here again when it comes back."],
    unreachable: ["No connection", "The server does not answer. Trying again."],
    unplayable: ["Can't play", "This browser can't play live streams."],
    undecodable: ["Can't play", "This browser can't decode this stream, and there is no other version of it."],
  };

  const POLL_MS = 1500;
  // Without progress for so long, playback jumps ahead if there is something to jump to …
  const JUMP_MS = 2000;
  // … and starts from scratch after so long.
  const RESTART_MS = 15000;
  const READINGS_MS = 500;
  // hls.js gives up a chosen quality that fails; it is chosen again after so long without trouble.
  const CHOOSE_AGAIN_MS = 8000;
  // Nearer to the live edge than planned by so many seconds, playback slows down unnoticeably
  // until it has its cushion back.
  const CUSHION_S = 1;
  const SLOWER = 0.94;
  // A broken decoder is set up anew at most so often in a row.
  const MEDIA_RECOVERIES = 3;

  const element = (name) => document.getElementById(name);
  const video = element("video");
  const quality = element("quality");
  const audio = element("audio");
  const edge = element("edge");

  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  function show(state) {
    if (document.body.dataset.shown === state) return;
    const [label, detail] = STATES[state];
    document.body.dataset.shown = state;
    document.body.dataset.state = state;
    element("state").textContent = label;
    element("message").textContent = label;
    element("detail").textContent = detail;
  }

  function read(name, text) {
    const place = element(name);
    if (place.textContent !== text) place.textContent = text;
  }

  const seconds = (value) => (Number.isFinite(value) && value > 0 ? `${value.toFixed(1)} s` : "–");

  function bitrate(value) {
    if (!Number.isFinite(value) || value <= 0) return "–";
    return value < 1e6 ? `${Math.round(value / 1e3)} kbit/s` : `${(value / 1e6).toFixed(1)} Mbit/s`;
  }

  // Asks the server how the stream is: one of the states, "live" when it can be played.
  async function probe() {
    const response = await fetch(playlist, { cache: "no-store" });
    if (response.status === 404) return "unknown";
    if (response.status === 412) return "waiting";
    if (!response.ok) return "unreachable";
    const uri = (await response.text()).split("\n").find((line) => line && !line.startsWith("#"));
    const media = await fetch(new URL(uri, playlist), { cache: "no-store" });
    if (!media.ok) return "waiting";
    return (await media.text()).includes("#EXT-X-ENDLIST") ? "ended" : "live";
  }

  async function waitUntilLive() {
    let ended = false;
    for (;;) {
      const state = await probe().catch(() => "unreachable");
      if (state === "live") return;
      ended ||= state === "ended";
      show(ended && state === "waiting" ? "ended" : state);
      await sleep(POLL_MS);
    }
  }

  function start() {
    // Muted playback may start by itself; where even that is refused, the controls are there.
    video.play().catch(() => {});
  }

  // How far the buffer reaches ahead of the playhead, and where the next buffered stretch begins.
  function buffered() {
    const now = video.currentTime;
    let ahead = 0;
    let next = null;
    for (let i = 0; i < video.buffered.length; i += 1) {
      const [from, to] = [video.buffered.start(i), video.buffered.end(i)];
      if (from <= now + 0.1 && now < to) ahead = to - now;
      else if (from > now && next === null) next = from;
    }
    return { ahead, next };
  }

  function readCommon() {
    const size = video.videoWidth ? `${video.videoWidth} × ${video.videoHeight}` : "–";
    read("resolution", size);
    read("buffer", seconds(buffered().ahead));
    const frames = video.getVideoPlaybackQuality?.();
    const shown = frames && frames.totalVideoFrames > 0;
    read("dropped", shown ? `${frames.droppedVideoFrames} of ${frames.totalVideoFrames}` : "–");
  }

  // Notices whether the playhead moves; `since()` is for how long it has not, in milliseconds.
  function progressMeter() {
    let position = video.currentTime;
    let moved = performance.now();
    return () => {
      if (video.currentTime !== position || video.paused) {
        position = video.currentTime;
        moved = performance.now();
      }
      return performance.now() - moved;
    };
  }

  // ---- hls.js ----

  function label(level) {
    if (!level.height) return "Audio";
    const lines = `${Math.min(level.width, level.height)}p`;
    const source = new URL(level.uri, playlist).pathname.endsWith("/source.m3u8");
    return `${lines}${source ? " source" : ""} · ${bitrate(level.bitrate)}`;
  }

  function listQualities(hls) {
    const order = hls.levels.map((level, index) => ({ level, index }));
    order.sort((a, b) => b.level.bitrate - a.level.bitrate);
    const options = order.map(({ level, index }) => new Option(label(level), String(index)));
    quality.replaceChildren(new Option("Auto", "-1"), ...options);
    quality.value = "-1";
    quality.disabled = hls.levels.length < 2;
    quality.onchange = () => {
      hls.nextLevel = Number(quality.value);
    };
  }

  // The publisher's audio tracks; nothing to choose where there is one.
  function listAudio(hls) {
    const tracks = hls?.audioTracks ?? [];
    for (const part of [audio, element("audio-label")]) part.hidden = tracks.length < 2;
    audio.replaceChildren(...tracks.map((track, index) => new Option(track.name, String(index))));
    if (!tracks.length) return;
    audio.value = String(hls.audioTrack);
    audio.onchange = () => {
      hls.audioTrack = Number(audio.value);
    };
  }

  function keepQuality(hls, trouble) {
    const chosen = Number(quality.value);
    if (chosen >= 0 && hls.autoLevelEnabled && performance.now() - trouble > CHOOSE_AGAIN_MS) {
      hls.loadLevel = chosen;
    }
  }

  function keepCushion(hls) {
    const missing = (hls.targetLatency ?? 0) - hls.latency;
    if (missing > CUSHION_S) video.playbackRate = SLOWER;
    else if (missing <= 0) video.playbackRate = 1;
  }

  function readHls(hls, loaded) {
    readCommon();
    read("latency", seconds(hls.latency));
    read("bitrate", bitrate((loaded.main ?? 0) + (loaded.audio ?? 0)));
    const level = hls.levels[hls.currentLevel];
    const auto = quality.options[0];
    const text = hls.autoLevelEnabled && level ? `Auto (${label(level)})` : "Auto";
    if (auto.textContent !== text) auto.textContent = text;
  }

  // Errors that say that the browser has no decoder for what there is.
  const UNDECODABLE = ["manifestIncompatibleCodecsError", "bufferIncompatibleCodecsError"];

  // Plays until the stream ends, playback is lost, or nothing of it can be decoded.
  function playWithHls() {
    const hls = new Hls({ enableWorker: false, lowLatencyMode: false, backBufferLength: 30 });
    const loaded = {};
    const stalledFor = progressMeter();
    let details = null;
    let recoveries = 0;
    let trouble = 0;

    return new Promise((resolve) => {
      const events = Hls.Events;
      hls.on(events.MANIFEST_PARSED, () => {
        listQualities(hls);
        start();
      });
      hls.on(events.AUDIO_TRACKS_UPDATED, () => listAudio(hls));
      hls.on(events.AUDIO_TRACK_SWITCHED, () => {
        audio.value = String(hls.audioTrack);
      });
      hls.on(events.LEVEL_UPDATED, (_, data) => {
        details = data.details;
      });
      hls.on(events.FRAG_BUFFERED, (_, { frag, stats }) => {
        if (frag.sn !== "initSegment" && frag.duration > 0) {
          loaded[frag.type] = (stats.total * 8) / frag.duration;
        }
      });
      hls.on(events.ERROR, (_, data) => {
        trouble = performance.now();
        if (!data.fatal) return;
        if (UNDECODABLE.includes(data.details)) {
          finish("undecodable");
        } else if (data.type === Hls.ErrorTypes.MEDIA_ERROR && recoveries < MEDIA_RECOVERIES) {
          recoveries += 1;
          hls.recoverMediaError();
          start();
        } else {
          finish();
        }
      });

      const timer = setInterval(() => {
        const stalled = stalledFor();
        const last = details?.fragments.at(-1);
        if (stalled < JUMP_MS) {
          // Where the browser refuses to start by itself, the controls must be in reach.
          if ((video.currentTime > 0 || video.paused) && video.readyState >= 2) show("live");
          if (video.currentTime > 0) recoveries = 0;
          if (details?.live) keepCushion(hls);
        } else if (details && !details.live) {
          finish();
        } else {
          const { next } = buffered();
          if (next !== null) video.currentTime = next + 0.05;
          else if (last?.gap) show("interrupted");
          else if (stalled > RESTART_MS) finish();
          else show("connecting");
        }
        keepQuality(hls, trouble);
        readHls(hls, loaded);
      }, READINGS_MS);

      edge.disabled = false;
      edge.onclick = () => {
        if (hls.liveSyncPosition) video.currentTime = hls.liveSyncPosition;
        start();
      };
      video.onended = () => finish();
      hls.loadSource(playlist);
      hls.attachMedia(video);

      function finish(why) {
        clearInterval(timer);
        hls.destroy();
        resolve(why);
      }
    });
  }

  // ---- the browser's own player, where there are no Media Source Extensions ----

  function playNatively() {
    const stalledFor = progressMeter();
    return new Promise((resolve) => {
      const timer = setInterval(() => {
        if (stalledFor() < JUMP_MS && video.readyState >= 2) show("live");
        else if (stalledFor() > RESTART_MS) finish();
        readCommon();
        const { seekable } = video;
        if (seekable.length) {
          read("latency", seconds(seekable.end(seekable.length - 1) - video.currentTime));
        }
      }, READINGS_MS);
      edge.disabled = false;
      edge.onclick = () => {
        const { seekable } = video;
        if (seekable.length) video.currentTime = seekable.end(seekable.length - 1);
        start();
      };
      video.onended = finish;
      video.onerror = finish;
      video.src = playlist;
      start();

      function finish() {
        clearInterval(timer);
        video.removeAttribute("src");
        video.load();
        resolve();
      }
    });
  }

  // Browsers that play HLS themselves say so as well; hls.js comes first wherever it runs.
  function choosePlayer() {
    if (window.Hls?.isSupported()) return playWithHls;
    return video.canPlayType("application/vnd.apple.mpegurl") ? playNatively : null;
  }

  // Whoever has the stream's key, in the fragment or from before in this tab, sees how the stream arrives; all
  // others don't even load what shows it.
  function showOwner() {
    let kept = null;
    try {
      kept = sessionStorage.getItem(`headgate.owner.${id}`);
    } catch {
      // Storage is forbidden: the key counts for as long as the page is open.
    }
    if (!kept && !/[#&]key=/.test(location.hash)) return;
    import(document.body.dataset.owner).then(({ showToOwner }) => showToOwner(id, element("main")));
  }

  async function main() {
    showOwner();
    window.addEventListener("hashchange", showOwner);
    element("title").textContent = id;
    document.title = `${id} · Headgate`;
    const play = choosePlayer();
    if (!play) {
      show("unplayable");
      return;
    }
    let outcome;
    for (;;) {
      await waitUntilLive();
      // Another version may be there by now, so it is tried again; the message stays meanwhile.
      if (outcome !== "undecodable") show("connecting");
      outcome = await play();
      if (outcome === "undecodable") show(outcome);
      video.onended = null;
      video.onerror = null;
      video.playbackRate = 1;
      quality.replaceChildren(new Option("Auto", "-1"));
      quality.disabled = true;
      listAudio(null);
      edge.disabled = true;
      for (const name of ["latency", "resolution", "bitrate", "buffer", "dropped"]) read(name, "–");
      // The state stays as it is until the server has been asked.
      await sleep(outcome === "undecodable" ? POLL_MS : 500);
    }
  }

  main();
})();
