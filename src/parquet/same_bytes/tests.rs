use datafusion::parquet::schema::parser::parse_message_type;

use super::*;

fn column(text: &str) -> TypePtr {
    let message = parse_message_type(&format!("message m {{ {text} }}")).unwrap();
    message.get_fields()[0].clone()
}

fn taken(delivered: &str, wanted: &str) -> Option<TypePtr> {
    taken_over(&column(delivered), &column(wanted)).unwrap()
}

#[test]
fn what_writers_spell_differently_is_the_same() {
    for (delivered, wanted) in [
        ("optional binary a (UTF8);", "optional binary a (STRING);"),
        ("optional binary a (JSON);", "optional binary a (STRING);"),
        (
            "optional int64 a (TIMESTAMP_MICROS);",
            "optional int64 a (TIMESTAMP(MICROS,true));",
        ),
        (
            "optional int64 a (TIMESTAMP(MICROS,false));",
            "optional int64 a (TIMESTAMP(MICROS,true));",
        ),
        ("optional int64 a (INTEGER(64,true));", "optional int64 a;"),
        ("optional double a;", "optional double a;"),
    ] {
        assert_eq!(taken(delivered, wanted), Some(column(wanted)), "{delivered}");
    }
    let required = taken("required double Cost;", "optional double cost;");
    assert_eq!(required, Some(column("required double cost;")));
}

#[test]
fn other_bytes_or_meanings_are_not() {
    for (delivered, wanted) in [
        ("optional float a;", "optional double a;"),
        ("optional int32 a;", "optional int64 a;"),
        ("optional int64 a (INTEGER(64,false));", "optional int64 a;"),
        ("optional binary a;", "optional binary a (STRING);"),
        ("optional int96 a;", "optional int64 a (TIMESTAMP(MICROS,true));"),
        (
            "optional int64 a (TIMESTAMP(MILLIS,true));",
            "optional int64 a (TIMESTAMP(MICROS,true));",
        ),
        (
            "optional int64 a (DECIMAL(18,2));",
            "optional int64 a (DECIMAL(18,3));",
        ),
        ("optional double a;", "required double a;"),
    ] {
        assert_eq!(taken(delivered, wanted), None, "{delivered}");
    }
}

#[test]
fn the_parts_of_a_map_may_have_names_of_their_own() {
    let wanted = "optional group tags (MAP) { repeated group key_value { required binary key (STRING); optional binary value (STRING); } }";
    let delivered = "optional group tags (MAP) { repeated group entries { required binary k (UTF8); optional binary v (UTF8); } }";
    assert_eq!(taken(delivered, wanted), Some(column(wanted)));
    let list = "optional group tags (LIST) { repeated group key_value { required binary key (STRING); optional binary value (STRING); } }";
    assert_eq!(taken(list, wanted), None);
}
