//! From what the operator has said to the text of a configuration file.

use std::{collections::BTreeMap, io, path::Path};

use media::Redacted;

use super::{
    draft::{Draft, Secrets},
    flag::Meaning,
    flag_table,
    given::{Given, Said},
    ladder, payment,
    price::{max_price, split_currency},
};
use crate::config::Fault;

const OFF_CHAIN: &str = "matters to payments only, and work is off-chain here";
const SIGNER_HAS_IT: &str = "the signer of -remoteSignerUrl holds the key";
const SIGNER_OF_OURS: &str =
    "must be a `headgate signer`: go-livepeer's can't vouch for segments of video";
const REGISTERED: &str = "neither this nor -orchWebhookUrl is given: orchestrators are those registered on the chain, as for go-livepeer";
const NO_CAP: &str = "missing: whoever is registered on the chain asks what they like; give a cap, or list orchestrators";

/// Opens WHIP for live AI in go-livepeer, and is no flag.
const WHIP_VARIABLE: &str = "LIVE_AI_WHIP_ADDR";

/// What a translation reads besides the arguments.
pub(crate) struct Surroundings<'a> {
    /// Environment variables.
    pub(crate) variables: BTreeMap<String, String>,
    /// Reads a file the flags name.
    pub(crate) read_file: &'a dyn Fn(&Path) -> io::Result<String>,
    /// Headgate's own flags say who may publish: then the file does not.
    pub(crate) admission_elsewhere: bool,
}

/// What became of the flags.
#[derive(Debug)]
pub(crate) struct Translation {
    /// The configuration file's text. Holds whatever the webhooks' URLs hold.
    pub(crate) toml: Redacted<String>,
    /// The same for people, with `***` for the user, password and query of URLs.
    pub(crate) shown: String,
    /// Flags that became settings: where they stand, and the setting.
    pub(crate) settings: Vec<Fault>,
    /// Flags the gateway does without, and why.
    pub(crate) needless: Vec<Fault>,
    /// Flags that can't be followed, and why; values are never quoted.
    pub(crate) refused: Vec<Fault>,
}

/// Translates the arguments of a go-livepeer gateway, its `LP_*` variables, and the file of its
/// `-config`.
pub(crate) fn translate(arguments: &[String], around: &Surroundings<'_>) -> Translation {
    let mut refused = Vec::new();
    let given = Given::read(arguments, &around.variables, around.read_file, &mut refused);
    let mut work =
        Work { draft: Draft::default(), settings: Vec::new(), needless: Vec::new(), refused };
    work.take_flags(&given);
    if around.variables.get(WHIP_VARIABLE).is_some_and(|value| !value.is_empty()) {
        work.refuse(WHIP_VARIABLE, "WHIP and AI pipelines are not built");
    }
    work.take_payments(&given, around.read_file);
    work.take_price(&given);
    work.take_ladder(&given, around.read_file);
    work.settle(&given);
    let is_open = work.draft.auth_webhook.is_none() && !around.admission_elsewhere;
    let mut written = |secrets| {
        let table = work.draft.to_toml(is_open, secrets);
        toml::to_string(&table).unwrap_or_else(|error| {
            work.refused.push(remark("translation", &error.to_string()));
            String::new()
        })
    };
    Translation {
        toml: Redacted::new(written(Secrets::Written)),
        shown: written(Secrets::Hidden),
        settings: work.settings,
        needless: work.needless,
        refused: work.refused,
    }
}

/// Removes what nobody has to know from the variables of a process.
pub(crate) fn is_relevant(variable: &str) -> bool {
    variable.starts_with("LP_") || variable == WHIP_VARIABLE
}

struct Work {
    draft: Draft,
    settings: Vec<Fault>,
    needless: Vec<Fault>,
    refused: Vec<Fault>,
}

impl Work {
    fn take_flags(&mut self, given: &Given) {
        for flag in flag_table::flags() {
            let Some(Said { value, place }) = given.get(flag.name) else { continue };
            match &flag.meaning {
                Meaning::Setting(key, take) => match take(&mut self.draft, value) {
                    Ok(()) => self.settings.push(remark(place, key)),
                    Err(problem) => self.refuse(place, &problem),
                },
                Meaning::Payment(_, field) => {
                    let text = Some(value.trim()).filter(|text| !text.is_empty());
                    *field(&mut self.draft.payment_flags) = text.map(str::to_owned);
                }
                Meaning::Needless(reason) => self.needless.push(remark(place, reason)),
                Meaning::Absent(_) if flag.is_default(value) => {}
                Meaning::Absent(reason) => self.refuse(place, reason),
            }
        }
    }

    fn take_payments(&mut self, given: &Given, read_file: &dyn Fn(&Path) -> io::Result<String>) {
        let flags = &mut self.draft.payment_flags;
        let (pays, has_signer) = (flags.asks_to_pay(), flags.signer_url.is_some());
        for flag in flag_table::flags() {
            let Meaning::Payment(key, field) = &flag.meaning else { continue };
            let Some(said) = given.get(flag.name) else { continue };
            let Some(value) = field(flags) else { continue };
            let is_key = matches!(flag.name, "ethKeystorePath" | "ethPassword");
            let (list, text) = match (pays, has_signer && is_key) {
                _ if value == payment::OFFCHAIN && flag.name == "network" => continue,
                (false, _) => (&mut self.needless, OFF_CHAIN),
                (true, true) => (&mut self.needless, SIGNER_HAS_IT),
                (true, false) => (&mut self.settings, *key),
            };
            list.push(remark(&said.place, text));
        }
        if !pays {
            return;
        }
        match flags.read(self.draft.data_dir.as_deref(), read_file) {
            Ok(payments) => self.draft.payments = Some(payments),
            Err(faults) => {
                for (flag, problem) in faults {
                    self.refuse(&place_of(given, flag), &problem);
                }
            }
        }
        if has_signer {
            self.needless.push(remark(&place_of(given, "remoteSignerUrl"), SIGNER_OF_OURS));
        }
    }

    /// The cap holds off-chain, too, where go-livepeer passes over it.
    fn take_price(&mut self, given: &Given) {
        let Some(price) = self.draft.max_price_per_unit.clone() else { return };
        let (number, currency) = split_currency(&price);
        let pixels = self.draft.pixels_per_unit.as_deref().unwrap_or("1");
        match max_price(number, currency, pixels) {
            Ok(price) => {
                self.draft.max_price = price.map(|it| format!("{}/{}", it.wei(), it.pixels()));
            }
            Err(fault) => self.refuse(&place_of(given, "maxPricePerUnit"), &fault.to_string()),
        }
    }

    fn take_ladder(&mut self, given: &Given, read_file: &dyn Fn(&Path) -> io::Result<String>) {
        let options = self.draft.transcoding_options.as_deref();
        let place = place_of(given, "transcodingOptions");
        let read = match options {
            Some(options) => ladder::read(options, read_file),
            None => ladder::read(ladder::DEFAULT, read_file),
        };
        match read {
            Ok(ladder) => {
                for field in ladder.ignored {
                    let text = format!("renditions do not follow {field:?} of a profile");
                    self.needless.push(remark(&place, &text));
                }
                self.draft.ladder = ladder.renditions;
            }
            Err(problem) => self.refuse(&place, &problem),
        }
    }

    /// What no flag shows alone.
    fn settle(&mut self, given: &Given) {
        let draft = &mut self.draft;
        let needless = &mut self.needless;
        if draft.auth_webhook.is_some() {
            let text = "must answer a manifestID that is not the publisher's key, for segments pushed over HTTP another than the manifest of their URL: playback ids are public";
            needless.push(remark(&place_of(given, "authWebhookUrl"), text));
        }
        if draft.discovery.is_some() && !draft.orchestrators.is_empty() {
            let text = "-orchWebhookUrl wins over it, as in go-livepeer";
            needless.push(remark(&place_of(given, "orchAddr"), text));
        }
        if draft.discovery.is_some() {
            let text = "what it lists may not be in private networks, unless the pool says allow_private = true";
            needless.push(remark(&place_of(given, "orchWebhookUrl"), text));
        }
        if !draft.knows_orchestrators() && draft.payment_flags.is_on_chain() {
            draft.registered = true;
            needless.push(remark("-orchAddr", REGISTERED));
            let place = place_of(given, "maxPricePerUnit");
            if draft.max_price.is_none() && self.refused.iter().all(|it| it.path != place) {
                self.refused.push(remark(&place, NO_CAP));
            }
        } else if !draft.knows_orchestrators() {
            let text = "neither this nor -orchWebhookUrl is given: only the source is served, as by go-livepeer; leave `transcode = false` out to transcode here";
            needless.push(remark("-orchAddr", text));
        }
    }

    fn refuse(&mut self, place: &str, reason: &str) {
        self.refused.push(remark(place, reason));
    }
}

fn place_of(given: &Given, name: &str) -> String {
    given.get(name).map_or_else(|| format!("-{name}"), |said| said.place.clone())
}

fn remark(path: &str, problem: &str) -> Fault {
    Fault { path: path.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests;
