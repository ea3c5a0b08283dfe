//! HTTP push: whole segments in, their renditions back in the response.

mod answers;
mod grants;
mod pushed;
mod switched_off;

pub(crate) use answers::{Asked, PushAnswers};
pub(crate) use grants::{Grants, presented};
pub(crate) use pushed::Pushed;
pub(crate) use switched_off::switched_off_service;
