//! Properties that hold for any input: decimals, quantities, periods, timestamps, files of arbitrary bytes.

use chrono::{DateTime, SecondsFormat};
use offgridflow::domain::decimal::{
    DecimalError, canonical_quantity, divide_half_even, parse_written, written_f64,
};
use offgridflow::domain::period::Period;
use offgridflow::domain::timestamp::{DateOrder, parse_timestamp};
use proptest::prelude::*;

use crate::support::Project;
use crate::support::bills::{FOCUS_HEADER, focus_row};
use crate::support::project::plain;

/// `value × 10^scale` by moving the point through the text; `Err` when digits are left after it or there are too many.
fn oracle(whole: &str, fraction: &str, exponent: i32, scale: i32) -> Result<i128, DecimalError> {
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    let trailing = digits.len() - digits.trim_end_matches('0').len();
    let shift = exponent + scale - fraction.len() as i32 + trailing as i32;
    if shift < 0 {
        return Err(DecimalError::Loss);
    }
    if significant.len() as i32 + shift > 38 {
        return Err(DecimalError::Overflow);
    }
    Ok(format!("{significant}{}", "0".repeat(shift as usize))
        .parse()
        .unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decimals_are_read_exactly_or_refused(
        negative: bool, whole in "[0-9]{1,14}", fraction in "[0-9]{0,12}", exponent in -8i32..8, capital: bool,
    ) {
        let sign = if negative { "-" } else { "" };
        let e = if capital { 'E' } else { 'e' };
        let text = format!("{sign}{whole}.{fraction}{e}{exponent}");
        let value = parse_written(text.as_bytes()).and_then(|w| w.exact(24));
        let wanted = oracle(&whole, &fraction, exponent, 24).map(|v| if negative { -v } else { v });
        match (value, wanted) {
            (Ok(value), wanted) => prop_assert_eq!(Ok(value), wanted),
            (Err(_), wanted) => prop_assert!(wanted.is_err(), "{} was refused", text),
        }
    }

    #[test]
    fn no_text_makes_the_reader_of_numbers_panic(text in "\\PC{0,40}", scale in 0u32..38) {
        if let Ok(written) = parse_written(text.as_bytes()) {
            let _ = written.exact(scale);
            let _ = written.rounded(scale);
        }
    }

    #[test]
    fn numbers_like_those_of_bills_make_no_reader_panic(text in "[-+]?[0-9.]{0,60}([eE][-+]?[0-9]{0,12})?", scale in 0u32..38) {
        if let Ok(written) = parse_written(text.as_bytes()) {
            let _ = written.exact(scale);
            let _ = written.rounded(scale);
            let _ = canonical_quantity(written, 1_073_741_824_000_000, 744);
        }
    }

    #[test]
    fn doubles_round_trip_by_their_shortest_text(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
        if let Ok(written) = written_f64(value) {
            let text = format!("{}e{}", written.digits, written.exponent);
            prop_assert_eq!(text.parse::<f64>().unwrap(), value);
        }
    }

    #[test]
    fn quantities_are_multiplied_exactly_and_rounded_half_even_once(
        digits in -1_000_000_000i128..1_000_000_000, places in 0u32..12, multiplier in 1i128..5_000_000_000_000_000, hours in 1i64..745,
    ) {
        let text = format!("{digits}e-{places}");
        let quantity = canonical_quantity(parse_written(text.as_bytes()).unwrap(), multiplier, hours).unwrap();
        let exact = digits * multiplier * i128::from(hours);
        let power = 10i128.pow(places);
        let (floor, rest) = (exact.div_euclid(power), exact.rem_euclid(power));
        let wanted = match (rest * 2).cmp(&power) {
            std::cmp::Ordering::Less => floor,
            std::cmp::Ordering::Greater => floor + 1,
            std::cmp::Ordering::Equal => floor + floor.rem_euclid(2),
        };
        prop_assert_eq!(quantity, wanted);
        prop_assert_eq!(divide_half_even(exact, places), wanted);
    }

    #[test]
    fn periods_print_as_they_are_read_and_step_both_ways(year in 1901i32..9998, month in 1u32..13, months in 0u32..600) {
        let period = Period::new(year, month).unwrap();
        prop_assert_eq!(period.to_string().parse::<Period>(), Ok(period));
        prop_assert_eq!(period.next().minus(1), period);
        let mut later = period.minus(months.min((year - 1900) as u32 * 12));
        for _ in 0..months.min((year - 1900) as u32 * 12) {
            later = later.next();
        }
        prop_assert_eq!(later, period);
    }

    #[test]
    fn timestamps_of_every_dialect_give_the_same_instant(second in -2_000_000_000i64..4_000_000_000) {
        let time = DateTime::from_timestamp(second, 0).unwrap();
        let micros = Some(second * 1_000_000);
        prop_assert_eq!(parse_timestamp(&time.to_rfc3339_opts(SecondsFormat::Secs, true), None), micros);
        prop_assert_eq!(parse_timestamp(&time.to_rfc3339_opts(SecondsFormat::Millis, true), None), micros);
        prop_assert_eq!(parse_timestamp(&time.to_rfc3339(), None), micros);
        prop_assert_eq!(parse_timestamp(&time.format("%Y-%m-%d %H:%M:%S").to_string(), None), micros);
        let midnight = Some(second.div_euclid(86_400) * 86_400_000_000);
        prop_assert_eq!(parse_timestamp(&time.format("%Y-%m-%d").to_string(), None), midnight);
        prop_assert_eq!(parse_timestamp(&time.format("%m/%d/%Y").to_string(), Some(DateOrder::MonthFirst)), midnight);
        prop_assert_eq!(parse_timestamp(&time.format("%d/%m/%Y").to_string(), Some(DateOrder::DayFirst)), midnight);
        prop_assert_eq!(parse_timestamp(&time.format("%d/%m/%Y").to_string(), None), None);
    }

    #[test]
    fn no_text_makes_the_reader_of_timestamps_panic(text in "[0-9TZ:+./ -]{0,40}") {
        let _ = parse_timestamp(&text, None);
        let _ = parse_timestamp(&text, Some(DateOrder::DayFirst));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Each case is a run of its own.
    #[test]
    fn files_of_arbitrary_bytes_land_or_are_refused(
        with_header: bool, good_rows in 0usize..3, bytes in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let project = Project::with_source("focus");
        let mut file = Vec::new();
        if with_header {
            file.extend(FOCUS_HEADER.as_bytes());
            file.push(b'\n');
            for _ in 0..good_rows {
                file.extend(focus_row("2025-01", "2025-01-02", "a", "", "1", "0.5").as_bytes());
                file.push(b'\n');
            }
        }
        file.extend(bytes);
        project.write("bills/any.csv", file);
        let outcome = project.call(&["run", "--select", "raw.*"]);
        prop_assert!([0, 3].contains(&outcome.code), "{:?}", outcome);
        prop_assert!(!outcome.stderr.contains("panicked"), "{:?}", outcome);
    }
}

/// How a commitment ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Its last day.
    Term,
    /// It is returned after some days: what is not yet used up of its one-time fee is paid back.
    Returned,
    /// It is returned at once: every fee is paid back.
    Undone,
}

/// A commitment of so many days, in cents.
#[derive(Debug, Clone)]
struct Commitment {
    is_reservation: bool,
    says_arn: bool,
    upfront_per_day: u32,
    recurring_per_day: u32,
    discount: u32,
    end: End,
    /// Of each day: the share of the commitment that is used, and the price of its usage on demand.
    days: Vec<(u32, u32)>,
}

fn commitment() -> impl Strategy<Value = Commitment> {
    let end = prop_oneof![Just(End::Term), Just(End::Returned), Just(End::Undone)];
    let day = (0u32..=100, 0u32..500);
    let fees = (any::<bool>(), any::<bool>(), 1u32..400, 0u32..400, 0u32..90);
    (fees, end, proptest::collection::vec(day, 2..6)).prop_map(|(fees, end, days)| Commitment {
        is_reservation: fees.0,
        says_arn: fees.1,
        upfront_per_day: fees.2,
        recurring_per_day: fees.3,
        discount: fees.4,
        end,
        days,
    })
}

const COMMITMENT_HEADER: &str = "bill_payer_account_id,bill_billing_period_start_date,line_item_usage_account_id,\
line_item_line_item_type,line_item_usage_start_date,line_item_usage_end_date,line_item_product_code,\
line_item_line_item_description,line_item_unblended_cost,line_item_currency_code,savings_plan_savings_plan_a_r_n,\
savings_plan_savings_plan_effective_cost,savings_plan_total_commitment_to_date,savings_plan_used_commitment,\
reservation_reservation_a_r_n,reservation_effective_cost,reservation_unused_amortized_upfront_fee_for_billing_period,\
reservation_unused_recurring_fee\n";

impl Commitment {
    /// Its lines on the bill of an account of its own, and what was paid in all, in cents.
    fn lines(&self, account: usize) -> (String, i64) {
        let mut lines = String::new();
        let mut paid = 0;
        let money = |hundredths: i64| format!("{}e-4", hundredths);
        let arn = match self.is_reservation {
            true => "arn:aws:ec2:us-east-1:1:reserved-instances/r",
            false => "arn:aws:savingsplans::1:savingsplan/s",
        };
        // Amounts are in hundredths of a cent: a day's used share is a whole number of them.
        let mut line = |kind: &str, description: &str, cost: i64, has_arn: bool, amounts: [i64; 3]| {
            paid += cost;
            let arn = if has_arn { arn } else { "" };
            let told = amounts.map(money).join(",");
            let (plan, reservation) = match self.is_reservation {
                true => (String::from(",,,"), format!("{arn},{told}")),
                false => (format!("{arn},{told}"), String::from(",,,")),
            };
            lines += &format!(
                "999999999999,2026-09-01T00:00:00Z,{account:012},{kind},2026-09-02T00:00:00Z,2026-09-03T00:00:00Z,Commitments,\
                 {description},{},USD,{plan},{reservation}\n",
                money(cost)
            );
        };
        let (upfront, recurring) = (
            i64::from(self.upfront_per_day) * 100,
            i64::from(self.recurring_per_day) * 100,
        );
        let days = self.days.len() as i64;
        let (one_time, every_day, covered) = match self.is_reservation {
            true => ("Fee", "RIFee", "DiscountedUsage"),
            false => (
                "SavingsPlanUpfrontFee",
                "SavingsPlanRecurringFee",
                "SavingsPlanCoveredUsage",
            ),
        };
        line(one_time, "", upfront * days, true, [0; 3]);
        let ran = match self.end {
            End::Term => self.days.len(),
            End::Returned => self.days.len() / 2,
            End::Undone => 0,
        };
        for (share, on_demand) in &self.days[..ran] {
            let committed = upfront + recurring;
            let used = committed * i64::from(*share) / 100;
            match self.is_reservation {
                true => {
                    line(covered, "", 0, true, [used, 0, 0]);
                    line(every_day, "", recurring, true, [0, committed - used, 0]);
                }
                false => {
                    let on_demand = i64::from(*on_demand) * 100;
                    line(covered, "", on_demand, true, [used, 0, 0]);
                    line("SavingsPlanNegation", "", -on_demand, true, [0; 3]);
                    line(every_day, "", recurring, true, [0, committed, used]);
                }
            }
        }
        let what = if self.is_reservation {
            "Reserved Instances"
        } else {
            "Savings Plan ID: s"
        };
        if ran < self.days.len() {
            let back = upfront * (days - ran as i64);
            let told = format!("Refund for one-time fee for {what}");
            let told = if self.says_arn { "" } else { told.as_str() };
            line("Refund", told, -back, self.says_arn, [0; 3]);
        }
        if matches!(self.end, End::Undone) && recurring > 0 {
            // A day was billed before it was undone.
            line(every_day, "", recurring, true, [0, recurring, 0]);
            line(
                "Refund",
                &format!("Refund for recurring fee for {what}"),
                -recurring,
                true,
                [0; 3],
            );
        }
        line(
            "Refund",
            "Enterprise discount",
            -i64::from(self.discount) * 100,
            false,
            [0; 3],
        );
        line("EdpDiscount", "", -i64::from(self.discount) * 100, true, [0; 3]);
        (lines, paid)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2, max_shrink_iters: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn over_the_life_of_a_commitment_and_its_return_amortized_cost_is_what_was_paid(
        commitments in proptest::collection::vec(commitment(), 40),
    ) {
        let project = Project::with_source("aws_cur2");
        let mut text = COMMITMENT_HEADER.to_string();
        let mut wanted = Vec::new();
        for (account, commitment) in commitments.iter().enumerate() {
            let (lines, paid) = commitment.lines(account);
            text += &lines;
            wanted.push(paid);
        }
        project.write("bills/bill.csv", text);
        project.call(&["run", "--select", "raw.*"]).expect(0);
        let rows = project.rows(
            "select cast(sum(billed_cost) * 10000 as varchar), cast(sum(effective_cost) * 10000 as varchar) \
             from normalize.usage group by sub_account_id order by sub_account_id",
        );
        for ((row, paid), commitment) in rows.iter().zip(&wanted).zip(&commitments) {
            prop_assert_eq!(&plain(&row[0]), &paid.to_string());
            prop_assert_eq!(&plain(&row[1]), &paid.to_string(), "{:?}", commitment);
        }
        prop_assert_eq!(rows.len(), commitments.len());
    }
}
