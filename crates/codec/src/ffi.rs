//! The only unsafe code of the house, and the one place for what differs between FFmpeg's majors.
#![allow(unsafe_code, reason = "libav* has no safe interface for these")]

use std::{ffi::CStr, ptr};

use ffmpeg_next::packet::Mut;
use ffmpeg_next::{Error, Packet, Rational, codec, ffi, format};

/// Forgets the four-character code a stream had in its old container; the muxer picks its own.
#[expect(clippy::needless_pass_by_ref_mut, reason = "what it changes lies behind a raw pointer")]
pub(crate) fn clear_codec_tag(stream: &mut format::stream::StreamMut<'_>) {
    let mut parameters: codec::Parameters = stream.parameters();
    // SAFETY: the parameters belong to the stream, which is borrowed for the whole call, and no other
    // reference to them exists.
    unsafe { (*parameters.as_mut_ptr()).codec_tag = 0 };
}

/// A filter of libavcodec that rewrites packets without decoding them.
pub(crate) struct BitstreamFilter {
    /// Allocated by `av_bsf_alloc`, never null, freed on drop.
    context: *mut ffi::AVBSFContext,
}

impl BitstreamFilter {
    /// The filter `name` for a stream with these parameters.
    pub(crate) fn new(
        name: &CStr,
        parameters: &codec::Parameters,
        time_base: Rational,
    ) -> Result<Self, Error> {
        let mut context = ptr::null_mut();
        // SAFETY: `name` is a C string, and `context` outlives the call that fills it.
        let allocated = unsafe {
            let filter = ffi::av_bsf_get_by_name(name.as_ptr());
            if filter.is_null() {
                return Err(Error::BsfNotFound);
            }
            ffi::av_bsf_alloc(filter, &raw mut context)
        };
        check(allocated)?;
        let filter = Self { context };
        // SAFETY: the context was allocated above and is not yet initialized, which is when its input
        // parameters are to be set; `parameters` is valid for the whole call and is copied.
        let initialized = unsafe {
            check(ffi::avcodec_parameters_copy((*context).par_in, parameters.as_ptr()))?;
            (*context).time_base_in = time_base.into();
            ffi::av_bsf_init(context)
        };
        check(initialized)?;
        Ok(filter)
    }

    /// Rewrites one packet; for filters that give one packet for each.
    pub(crate) fn rewrite(&mut self, mut packet: Packet) -> Result<Packet, Error> {
        let mut rewritten = Packet::empty();
        // SAFETY: the context is initialized; both packets are valid for the call, the first gives its
        // content away and stays valid, empty.
        unsafe {
            check(ffi::av_bsf_send_packet(self.context, packet.as_mut_ptr()))?;
            check(ffi::av_bsf_receive_packet(self.context, rewritten.as_mut_ptr()))?;
        }
        Ok(rewritten)
    }
}

impl Drop for BitstreamFilter {
    fn drop(&mut self) {
        // SAFETY: allocated by `av_bsf_alloc` and owned by this value alone.
        unsafe { ffi::av_bsf_free(&raw mut self.context) };
    }
}

fn check(code: i32) -> Result<(), Error> {
    if code < 0 { Err(Error::from(code)) } else { Ok(()) }
}
