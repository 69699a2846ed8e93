//! Functions of the models: text as bills write it, to exact and typed values. The hot kernels.

mod exact_sum;
mod ids;
mod money;
mod nested;
mod quantity;
mod tags;
mod text;
mod timestamp;

pub use exact_sum::ExactSum;
pub use ids::CleanId;
pub use money::{DoubleMoney, Money};
pub use nested::{JsonSum, JsonText};
pub use quantity::CanonicalQuantity;
pub use tags::{
    ACCOUNT_TAG, AwsTags, CleanTags, TagValue, TagsFromColumns, WrittenTags, clean_key, map_type, tag_values,
};
pub use text::{CleanText, JsonValue, is_null_text};
pub use timestamp::UsageTimestamp;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::prelude::SessionContext;

/// Registers every function with a session.
pub fn register(context: &SessionContext) {
    for function in [
        ScalarUDF::from(CleanText::default()),
        ScalarUDF::from(CleanId::default()),
        ScalarUDF::from(JsonValue::default()),
        ScalarUDF::from(JsonText::default()),
        ScalarUDF::from(JsonSum::default()),
        ScalarUDF::from(Money::default()),
        ScalarUDF::from(DoubleMoney::default()),
        ScalarUDF::from(CanonicalQuantity::default()),
        ScalarUDF::from(UsageTimestamp::default()),
        ScalarUDF::from(CleanTags::default()),
        ScalarUDF::from(AwsTags::default()),
        ScalarUDF::from(WrittenTags::default()),
        ScalarUDF::from(TagValue::default()),
        ScalarUDF::from(TagValue::exact()),
        ScalarUDF::from(TagsFromColumns::default()),
    ] {
        context.register_udf(function);
    }
    context.register_udaf(AggregateUDF::from(ExactSum::default()));
}
