//! What the amounts of an Azure export are: the same usage is in all three, and one of them counts.

use crate::extract::Delivery;

/// What an export's amounts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CostBasis {
    /// As invoiced: commitments cost when they are bought.
    Actual,
    /// Commitments cost where they are used, and their unused rest has lines of its own.
    Amortized,
    /// FOCUS: both, in columns of their own.
    Focus,
}

impl CostBasis {
    /// The name in the ledger and in messages.
    pub fn name(self) -> &'static str {
        match self {
            CostBasis::Actual => "actual",
            CostBasis::Amortized => "amortized",
            CostBasis::Focus => "FOCUS",
        }
    }

    /// The basis of a [`CostBasis::name`].
    pub fn of_name(name: &str) -> Option<CostBasis> {
        let all = [CostBasis::Actual, CostBasis::Amortized, CostBasis::Focus];
        all.into_iter().find(|basis| basis.name() == name)
    }

    /// Reads the type that a manifest names, such as `AmortizedCost`.
    fn told(export_type: &str) -> CostBasis {
        let name = export_type.to_ascii_lowercase();
        match name.as_str() {
            _ if name.starts_with("focus") => CostBasis::Focus,
            _ if name.starts_with("amorti") => CostBasis::Amortized,
            _ => CostBasis::Actual,
        }
    }

    /// The basis of a delivery: as its manifest says, else as its columns and rows show, else as its export is called.
    ///
    /// An amortized export without an unused commitment looks like an actual one.
    pub fn of(delivery: &Delivery, seen: CostBasis) -> CostBasis {
        match &delivery.export_type {
            Some(export_type) => CostBasis::told(export_type),
            None if seen == CostBasis::Actual && is_called_amortized(&delivery.export) => {
                CostBasis::Amortized
            }
            None => seen,
        }
    }
}

fn is_called_amortized(export: &str) -> bool {
    let name = export.to_ascii_lowercase();
    name.contains("amortized") || name.contains("amortised")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_decides_then_the_rows_then_the_name() {
        let mut delivery = Delivery::known(
            "file://bills",
            "costs/Amortized-daily".into(),
            None,
            String::new(),
        );
        assert_eq!(CostBasis::of(&delivery, CostBasis::Actual), CostBasis::Amortized);
        assert_eq!(CostBasis::of(&delivery, CostBasis::Focus), CostBasis::Focus);
        for (told, basis) in [
            ("ActualCost", CostBasis::Actual),
            ("AmortizedCost", CostBasis::Amortized),
            ("FocusCost", CostBasis::Focus),
            ("Usage", CostBasis::Actual),
        ] {
            delivery.export_type = Some(told.into());
            assert_eq!(CostBasis::of(&delivery, CostBasis::Amortized), basis, "{told}");
        }
    }
}
