//! Which side feeds the inventory, per tenant and provider: the estimate or the provider's own figures.

use super::kind::{InventorySource, Role};
use super::reader::Reader;
use super::tree::ValueOrigin;
use super::types::{Source, Tenant};

/// The providers that publish carbon figures of their customers' usage.
const PROVIDERS: [&str; 3] = ["AWS", "Microsoft", "Google Cloud"];

/// What a tenant has of one provider's own carbon figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderSide {
    /// As in `normalize.usage`.
    pub provider_name: &'static str,
    /// The side that feeds the inventory.
    pub inventory_source: InventorySource,
    /// Whether a source brings the provider's figures, to count or to compare.
    pub has_figures: bool,
}

impl Tenant {
    /// The side of every provider that publishes figures.
    pub fn provider_sides(&self) -> impl Iterator<Item = ProviderSide> {
        PROVIDERS.into_iter().map(|provider_name| ProviderSide {
            provider_name,
            inventory_source: side(self.sources.iter(), provider_name),
            has_figures: self
                .sources
                .iter()
                .any(|s| s.kind.is_carbon() && s.kind.provider_name() == Some(provider_name)),
        })
    }
}

/// What the provider's own sources say; where they say nothing, what a FOCUS source says, for providers whose figures
/// count; else the estimate.
fn side<'a>(sources: impl Iterator<Item = &'a Source> + Clone, provider_name: &str) -> InventorySource {
    let own = sources
        .clone()
        .filter(|s| s.kind.provider_name() == Some(provider_name))
        .find_map(|s| s.inventory_source);
    let any = || {
        let any_says = |s: &Source| {
            s.kind.provider_name().is_none() && s.inventory_source == Some(InventorySource::Provider)
        };
        match sources.clone().any(any_says) && sources.clone().any(|s| figures_count(s, provider_name)) {
            true => InventorySource::Provider,
            false => InventorySource::Estimate,
        }
    };
    own.unwrap_or_else(any)
}

fn figures_count(source: &Source, provider_name: &str) -> bool {
    source.kind.is_carbon()
        && source.role == Role::Counts
        && source.kind.provider_name() == Some(provider_name)
}

/// Refuses a choice without figures to choose, and two choices for one provider.
pub(super) fn check(tenant: &Reader<'_>, sources: &[(Source, &ValueOrigin)]) {
    let refuse = |origin: &ValueOrigin, what: String, hint: &str| {
        tenant.problem_at("source.inventory_source", origin, what, hint);
    };
    for (index, (source, origin)) in sources.iter().enumerate() {
        let Some(said) = source.inventory_source else {
            continue;
        };
        if !source.kind.is_cloud() {
            if said == InventorySource::Provider {
                let what = format!(
                    "a source of kind `{}` has no provider with carbon figures",
                    source.kind
                );
                refuse(
                    origin,
                    what,
                    "take it out: rows of one's own always feed the inventory",
                );
            }
            continue;
        }
        let provider = source.kind.provider_name();
        let counted = |name: &str| sources.iter().any(|(s, _)| figures_count(s, name));
        if said == InventorySource::Provider
            && !provider.map_or_else(|| PROVIDERS.into_iter().any(counted), counted)
        {
            refuse(
                origin,
                format!(
                    "no counting source brings {} own carbon figures, so the inventory would be empty",
                    provider.map_or("a provider's".to_string(), |name| format!("{name}'s"))
                ),
                "add a source of kind aws_carbon, azure_carbon or gcp_carbon, or write inventory_source = \"estimate\"",
            );
        }
        let other = sources[..index].iter().find(|(other, _)| {
            provider.is_some()
                && other.kind.provider_name() == provider
                && other.inventory_source.is_some_and(|o| o != said)
        });
        if let Some((other, _)) = other {
            refuse(
                origin,
                format!(
                    "the sources `{}` and `{}` name different sides for {}'s part of the inventory",
                    other.id,
                    source.id,
                    provider.unwrap_or_default()
                ),
                "one side feeds the inventory: write the same for both, or leave one out",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Config, Flags};
    use super::*;
    use crate::error::Result;

    /// A tenant with these sources: id, kind, further keys.
    fn read(sources: &[(&str, &str, &str)]) -> Result<Config> {
        let mut text = "[[tenant]]\nid = \"acme\"\n".to_string();
        for (id, kind, keys) in sources {
            let url = if kind.starts_with("azure_carbon") {
                ""
            } else {
                "url = \"file://./x\"\n"
            };
            text += &format!("[[tenant.source]]\nid = \"{id}\"\nkind = \"{kind}\"\n{url}{keys}\n");
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("offgridflow.toml"), text).unwrap();
        Config::read(&Flags::default(), &BTreeMap::new(), folder.path())
    }

    fn provided(sources: &[(&str, &str, &str)]) -> Vec<&'static str> {
        let config = read(sources).unwrap();
        let sides = config.tenants[0].provider_sides();
        sides
            .filter(|side| side.inventory_source == InventorySource::Provider)
            .map(|side| side.provider_name)
            .collect()
    }

    const PROVIDER: &str = "inventory_source = \"provider\"";
    const ESTIMATE: &str = "inventory_source = \"estimate\"";

    #[test]
    fn one_source_of_a_provider_speaks_for_all_of_them() {
        let carbon = ("carbon", "aws_carbon", "");
        assert!(provided(&[("a", "aws_cur2", ""), carbon]).is_empty());
        assert_eq!(
            provided(&[("a", "aws_cur2", PROVIDER), ("b", "aws_cur", ""), carbon]),
            ["AWS"]
        );
        assert_eq!(
            provided(&[("a", "aws_cur2", ""), ("carbon", "aws_carbon", PROVIDER)]),
            ["AWS"]
        );
    }

    #[test]
    fn focus_speaks_for_the_providers_whose_figures_count() {
        let azure = ("azure", "azure_carbon", "");
        let compared = ("aws", "aws_carbon", "role = \"compare\"");
        assert_eq!(
            provided(&[("f", "focus", PROVIDER), azure, compared]),
            ["Microsoft"]
        );
        assert_eq!(
            provided(&[("f", "focus", PROVIDER), azure, ("cost", "azure_cost", ESTIMATE)]),
            [""; 0]
        );
    }

    #[test]
    fn a_side_without_figures_and_two_sides_are_refused() {
        let says = |sources: &[(&str, &str, &str)], what: &str| {
            let error = read(sources).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        };
        says(&[("a", "aws_cur2", PROVIDER)], "brings AWS's own carbon figures");
        says(
            &[("f", "focus", PROVIDER)],
            "brings a provider's own carbon figures",
        );
        says(
            &[("a", "aws_cur2", ESTIMATE), ("c", "aws_carbon", PROVIDER)],
            "`a` and `c` name different sides for AWS",
        );
        says(
            &[("m", "activity", PROVIDER)],
            "has no provider with carbon figures",
        );
    }
}
