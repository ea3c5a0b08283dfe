//! RTP packets into access units; senders' clocks onto one media timeline.
//!
//! A [`Receiver`] takes the packets of one publisher's tracks, already decrypted and sorted by track,
//! and the sender reports that came with them. Out come access units that decode, requests for key
//! frames, and figures about the way here. It owns no socket, no SDP, no SRTP, no RTCP encoding and no
//! NACK: those are its caller's, who drives it like every core of the house: hand in, then drain
//! [`Receiver::poll_output`], then wait for [`Receiver::poll_timeout`] or the next packet.
//!
//! Rules:
//! - **No broken picture after decode.** A picture is handed out only if every packet of it came, and
//!   of every picture since the last IDR. After a hole that stayed open all is dropped up to an IDR
//!   picture that is whole and has its parameter sets; a key frame is asked for until it is there.
//! - **Bounds.** Reordering is bounded in packets, bytes and time, an access unit in bytes and pieces
//!   (constants in `reorder` and `h264`); what does not fit is dropped and counted by [`DropReason`].
//! - **One copy.** Payloads are shared until a picture is complete, then written once, into a buffer of
//!   its exact size. Opus packets are never copied.
//! - **Time never goes back** within a track. Sound leads: its clock is the timeline's. Pictures follow
//!   it by sender reports, or by arrival as long as these are missing, and are moved by at most
//!   [`SLEW_PER_MILLE`] thousandths of the time that passes; by more, up to [`SLEW_MAX_PER_MILLE`], where
//!   they are more than 100 ms off.
//!
//! Start reading at [`Receiver`], then `h264::Depacketizer` and `clock::Clocks`.

mod clock;
#[cfg(test)]
mod fixture;
pub mod fuzzing;
mod h264;
mod health;
mod jitter;
mod key_frames;
mod opus;
mod output;
mod packet;
mod placer;
mod receiver;
mod reorder;
mod video;

pub use health::{DropReason, TrackHealth};
pub use key_frames::KeyFrameSchedule;
pub use output::{ClockReset, KeyFrameReason, KeyFrameRequest, Missing, OpusPacket, Output};
pub use packet::{Packet, SenderReport};
pub use receiver::{Receiver, ReceiverConfig, SLEW_MAX_PER_MILLE, SLEW_PER_MILLE};
