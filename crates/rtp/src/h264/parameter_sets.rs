//! Which parameter sets hold, as far as they came.

use std::sync::Arc;

use bytes::Bytes;
use container::avc;
use media::H264Parameters;

use super::{
    assembly::Assembly,
    exp_golomb::{exp_golomb, leading_bits},
};

/// Bytes of all sets of a track; encoders have two sets of some 40 bytes.
const BYTES_MAX: usize = 64 * 1024;

const NALU_SPS: u8 = 7;
const NALU_PPS: u8 = 8;

/// The parameter sets of a track.
#[derive(Debug, Default)]
pub(crate) struct ParameterSets {
    sps: Vec<Bytes>,
    pps: Vec<Bytes>,
    /// What they say; `None` if they can't be read, or some are missing.
    parameters: Option<Arc<H264Parameters>>,
    /// The sender has put sets into the stream: a key frame after a loss must bring its own.
    in_band: bool,
}

impl ParameterSets {
    /// Sets of the session description (`sprop-parameter-sets`, RFC 6184 §8.1). NAL units of other
    /// types are left out.
    pub(crate) fn described(sets: &[Bytes]) -> Self {
        let of_type = |kind| {
            let is = move |set: &&Bytes| set.first().is_some_and(|header| header & 0x1F == kind);
            sets.iter().filter(is).cloned().collect::<Vec<_>>()
        };
        let mut described = Self::default();
        described.take(&of_type(NALU_SPS), &of_type(NALU_PPS), false);
        described
    }

    /// Takes the sets of an access unit that is whole.
    ///
    /// An access unit that brings sets of both kinds, the one its picture refers to among them, brings
    /// all that hold; others replace those with their ids (ISO/IEC 14496-10 §7.4.1.2.1).
    pub(crate) fn take_from(&mut self, assembly: &Assembly) {
        if assembly.sps.is_empty() && assembly.pps.is_empty() {
            return;
        }
        self.in_band = true;
        let wanted = assembly.first_slice.and_then(|slice| slice.pps_id);
        let complete = !assembly.sps.is_empty()
            && wanted.is_some_and(|id| assembly.pps.iter().any(|set| pps_id(set) == Some(id)));
        self.take(&assembly.sps, &assembly.pps, complete);
    }

    /// Takes note of sets in an access unit that can't be used.
    pub(crate) fn saw(&mut self, assembly: &Assembly) {
        self.in_band |= !(assembly.sps.is_empty() && assembly.pps.is_empty());
    }

    pub(crate) const fn in_band(&self) -> bool {
        self.in_band
    }

    /// The parameters with which a picture of this access unit is decoded, if they are here.
    pub(crate) fn of(&self, assembly: &Assembly) -> Option<&Arc<H264Parameters>> {
        let id = assembly.first_slice?.pps_id?;
        let has = self.pps.iter().any(|set| pps_id(set) == Some(id));
        self.parameters.as_ref().filter(|_| has)
    }

    fn take(&mut self, sps: &[Bytes], pps: &[Bytes], replace: bool) {
        // The common case, a repeat, costs a comparison.
        let same = if replace {
            self.sps == sps && self.pps == pps
        } else {
            sps.iter().all(|set| self.sps.contains(set))
                && pps.iter().all(|set| self.pps.contains(set))
        };
        if same {
            return;
        }
        if replace {
            self.sps.clear();
            self.pps.clear();
        }
        overlay(&mut self.sps, sps, sps_id);
        overlay(&mut self.pps, pps, pps_id);
        let bytes: usize = self.sps.iter().chain(&self.pps).map(Bytes::len).sum();
        if bytes > BYTES_MAX {
            self.sps.clear();
            self.pps.clear();
        }
        let parameters = avc::parameters_from_sets(self.sps.clone(), self.pps.clone());
        self.parameters = parameters.ok().map(Arc::new);
    }
}

/// Puts sets over those in force: one with the same id is replaced, a new id is added. Sets are
/// copied, so that the packet's buffer does not live as long as they do.
fn overlay(in_force: &mut Vec<Bytes>, found: &[Bytes], id: fn(&[u8]) -> Option<u32>) {
    for set in found {
        let copy = Bytes::copy_from_slice(set);
        match in_force.iter_mut().find(|old| id(old) == id(set)) {
            Some(old) => *old = copy,
            None => in_force.push(copy),
        }
    }
}

/// `seq_parameter_set_id`: after NAL header, profile, constraints and level (§7.3.2.1.1).
fn sps_id(nalu: &[u8]) -> Option<u32> {
    exp_golomb(leading_bits(nalu.get(4..)?)).map(|(id, _)| id)
}

/// `pic_parameter_set_id`: right after the NAL header (§7.3.2.2).
fn pps_id(nalu: &[u8]) -> Option<u32> {
    exp_golomb(leading_bits(nalu.get(1..)?)).map(|(id, _)| id)
}
