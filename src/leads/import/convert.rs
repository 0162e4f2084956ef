//! From the cells of a row to typed values.

use entity::id::LeadId;
use entity::{ConsentState, UnknownWord};

use super::mapping::{Binding, Mapping};
use super::number::{self, DecimalMark, NumberError};
use super::report::Rejection;
use super::row::{Cell, CellKind, Row};
use super::source::{Source, SourceError};
use super::targets::{Field, ImportKind, Shape};
use super::value::{self, DateError, DateFormat, Detection, Value};
use crate::leads::cell::unguarded;
use crate::leads::contact::{self, ContactError, Currency, PhoneRegion};

/// Rows looked at to tell date and number formats.
const SAMPLE_ROWS: usize = 5_000;
/// Most items in a cell that holds a list.
const MAX_LIST_ITEMS: usize = 100;

/// Choices in reading values.
#[derive(Clone, Debug)]
pub struct ConvertOptions {
    /// How dates are written.
    pub dates: DateFormat,
    /// The time zone of times without an offset.
    pub zone: chrono_tz::Tz,
    /// How decimals are marked.
    pub decimals: DecimalMark,
    /// The country of phone numbers without a country code.
    pub region: Option<PhoneRegion>,
    /// The currency of amounts whose row names none.
    pub currency: Option<Currency>,
}

impl Default for ConvertOptions {
    fn default() -> Self {
        Self {
            dates: DateFormat::Auto,
            zone: chrono_tz::UTC,
            decimals: DecimalMark::Auto,
            region: None,
            currency: None,
        }
    }
}

/// Why a file cannot be converted at all.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The file cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Nothing in the sample tells day from month.
    #[error(
        "column `{column}`: day and month cannot be told apart (`{example}`): name the date format, mdy (month first) or dmy (day first)"
    )]
    AmbiguousDates {
        /// The column.
        column: String,
        /// A value that shows it.
        example: String,
    },
    /// A default value that is not one.
    #[error("default for `{target}`: {reason} (given: `{value}`)")]
    Default {
        /// The target.
        target: String,
        /// The value.
        value: String,
        /// What is wrong.
        reason: String,
    },
}

/// Why a cell cannot be used.
#[derive(Debug, thiserror::Error)]
enum CellFault {
    #[error(transparent)]
    Contact(#[from] ContactError),
    #[error(transparent)]
    Date(#[from] DateError),
    #[error(transparent)]
    Number(#[from] NumberError),
    #[error(transparent)]
    Word(#[from] UnknownWord),
    #[error("not the id of a lead: expected something like lead_01h455vb4pex5vsknk084sn02q")]
    LeadId,
    #[error("not an IP address: expected something like 203.0.113.7 or 2001:db8::7")]
    Ip,
    #[error("not a JSON object: expected something like {{\"campaign\": \"spring\"}}")]
    Object,
    #[error("the cell holds an Excel error: mend the formula")]
    SheetError,
    #[error("an amount needs a currency: map a currency column or give a default currency")]
    NoCurrency,
    #[error("the cell holds a zero character, which no text can keep: remove it")]
    ZeroCharacter,
    #[error("a list holds 100 items at most")]
    TooManyItems,
    #[error("{0}")]
    Missing(&'static str),
}

impl CellFault {
    fn code(&self) -> &'static str {
        match self {
            Self::Contact(ContactError::Email { .. }) => "not an e-mail address",
            Self::Contact(ContactError::Phone { .. } | ContactError::Region { .. }) => "not a phone number",
            Self::Contact(ContactError::PhoneWithoutRegion { .. }) => "phone number without country code",
            Self::Contact(ContactError::Url { .. }) => "not a web address",
            Self::Contact(ContactError::TimeZone { .. }) => "unknown time zone",
            Self::Contact(ContactError::Currency { .. }) => "unknown currency",
            Self::Date(DateError::Ambiguous) => "ambiguous date",
            Self::Date(_) => "not a date",
            Self::Number(NumberError::AmbiguousMark) => "ambiguous number",
            Self::Number(NumberError::NotABoolean) => "not yes or no",
            Self::Number(NumberError::TooManyDecimals { .. }) => "too many decimals",
            Self::Number(NumberError::OutOfRange { .. }) => "number out of range",
            Self::Number(_) => "not a number",
            Self::Word(_) => "unknown word",
            Self::LeadId => "not a lead id",
            Self::Ip => "not an IP address",
            Self::Object => "not a JSON object",
            Self::SheetError => "Excel error",
            Self::NoCurrency => "amount without currency",
            Self::ZeroCharacter => "zero character",
            Self::TooManyItems => "too many items",
            Self::Missing(_) => "value missing",
        }
    }
}

/// The values of a row, in the order of the [bindings](Mapping::bindings); none where a cell is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Line in the file.
    pub line: u64,
    /// One value for each binding.
    pub values: Vec<Option<Value>>,
}

struct Step {
    dates: DateFormat,
    decimals: DecimalMark,
    default: Option<Value>,
}

/// Turns rows into records, the way a mapping and the options say.
pub struct Converter {
    mapping: Mapping,
    options: ConvertOptions,
    steps: Vec<Step>,
    currency: Option<usize>,
    /// Bindings in the order in which they are read: the currency comes before the amounts.
    order: Vec<usize>,
    needs: Vec<(Vec<usize>, &'static str)>,
}

impl Converter {
    /// Looks at the first rows of the file to tell how dates and numbers are written, where the options leave
    /// that open, and checks the default values.
    ///
    /// # Errors
    /// See [`ConvertError`].
    pub fn prepare(
        mapping: Mapping,
        options: ConvertOptions,
        source: &mut Source,
    ) -> Result<Self, ConvertError> {
        let samples = sample(&mapping, &options, source)?;
        let mut steps = Vec::with_capacity(samples.len());
        for (binding, texts) in mapping.bindings().iter().zip(&samples) {
            let texts = || texts.iter().map(String::as_str);
            let (mut dates, mut decimals) = (options.dates.clone(), options.decimals);
            match binding.target.shape() {
                Shape::Moment | Shape::Day if dates == DateFormat::Auto => {
                    match value::detect_date_format(texts()) {
                        Detection::Detected(order) => dates = DateFormat::Ordered(order),
                        Detection::None => {}
                        Detection::Ambiguous { example } => {
                            let column = binding
                                .column
                                .map(|column| mapping.header().names[column].clone());
                            return Err(ConvertError::AmbiguousDates {
                                column: column.unwrap_or_default(),
                                example,
                            });
                        }
                    }
                }
                Shape::Money | Shape::Rate if decimals == DecimalMark::Auto => {
                    decimals = number::detect_decimal_mark(texts())
                }
                _ => {}
            }
            steps.push(Step {
                dates,
                decimals,
                default: None,
            });
        }
        Self::with_steps(mapping, options, steps)
    }

    /// Without a look at anything: dates and numbers are written as the options say.
    ///
    /// # Errors
    /// [`ConvertError::Default`].
    pub(super) fn of(mapping: Mapping, options: ConvertOptions) -> Result<Self, ConvertError> {
        let step = |_| Step {
            dates: options.dates.clone(),
            decimals: options.decimals,
            default: None,
        };
        let steps = mapping.bindings().iter().map(step).collect();
        Self::with_steps(mapping, options, steps)
    }

    fn with_steps(mapping: Mapping, options: ConvertOptions, steps: Vec<Step>) -> Result<Self, ConvertError> {
        let currency = mapping
            .position(Field::Currency)
            .or_else(|| mapping.position(Field::DealCurrency));
        let mut order: Vec<usize> = (0..steps.len()).collect();
        order.sort_by_key(|&at| Some(at) != currency);
        let needs = needs(&mapping);
        let mut converter = Self {
            mapping,
            options,
            steps,
            currency,
            order,
            needs,
        };
        converter.read_defaults()?;
        Ok(converter)
    }

    /// The mapping it follows.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// How the dates of a binding are read, after the look at the sample.
    pub fn date_format(&self, binding: usize) -> &DateFormat {
        &self.steps[binding].dates
    }

    /// Converts a row into `record`. Adds what is wrong with it to `rejections`, one for each cell; false when
    /// there is anything, and the record is then incomplete.
    pub fn convert(&self, row: &Row, record: &mut Record, rejections: &mut Vec<Rejection>) -> bool {
        record.line = row.line();
        record.values.clear();
        record.values.resize(self.steps.len(), None);
        if let Some(fault) = row.fault() {
            rejections.push(Rejection::new(
                row.line(),
                None,
                row.cell(0).text,
                fault.code(),
                fault.to_string(),
            ));
            return false;
        }
        let before = rejections.len();
        let mut currency = self.options.currency;
        for &at in &self.order {
            let binding = &self.mapping.bindings()[at];
            let cell = binding.column.map_or(
                Cell {
                    text: "",
                    kind: CellKind::Empty,
                },
                |column| plain(row.cell(column)),
            );
            let read = if cell.kind == CellKind::Empty {
                Ok(self.steps[at].default.clone())
            } else {
                self.read_cell(at, cell, currency)
            };
            match read {
                Ok(value) => {
                    if self.currency == Some(at)
                        && let Some(Value::Text(code)) = &value
                    {
                        currency = code.parse().ok();
                    }
                    record.values[at] = value;
                }
                Err(fault) => rejections.push(self.rejection(row, binding, cell.text, &fault)),
            }
        }
        if rejections.len() == before {
            for (positions, missing) in &self.needs {
                if positions.iter().all(|&at| record.values[at].is_none()) {
                    let fault = CellFault::Missing(missing);
                    rejections.push(Rejection::new(
                        row.line(),
                        None,
                        "",
                        fault.code(),
                        fault.to_string(),
                    ));
                }
            }
        }
        rejections.len() == before
    }

    fn rejection(&self, row: &Row, binding: &Binding, value: &str, fault: &CellFault) -> Rejection {
        let column = binding
            .column
            .map(|column| self.mapping.header().names[column].as_str());
        Rejection::new(row.line(), column, value, fault.code(), fault.to_string())
    }

    fn read_defaults(&mut self) -> Result<(), ConvertError> {
        let mut currency = self.options.currency;
        for at in self.order.clone() {
            let binding = &self.mapping.bindings()[at];
            let Some(text) = binding.default.as_deref().filter(|text| !text.trim().is_empty()) else {
                continue;
            };
            let cell = Cell {
                text: text.trim(),
                kind: CellKind::Text,
            };
            let value = self
                .read_cell(at, cell, currency)
                .map_err(|fault| ConvertError::Default {
                    target: binding.target.to_string(),
                    value: contact::shortened(text),
                    reason: fault.to_string(),
                })?;
            if self.currency == Some(at)
                && let Some(Value::Text(code)) = &value
            {
                currency = code.parse().ok();
            }
            self.steps[at].default = value;
        }
        Ok(())
    }

    fn read_cell(
        &self,
        at: usize,
        cell: Cell<'_>,
        currency: Option<Currency>,
    ) -> Result<Option<Value>, CellFault> {
        let step = &self.steps[at];
        let text = cell.text;
        if cell.kind == CellKind::Error {
            return Err(CellFault::SheetError);
        }
        if text.contains('\0') {
            return Err(CellFault::ZeroCharacter);
        }
        let value = match self.mapping.bindings()[at].target.shape() {
            Shape::Text => Value::Text(text.to_owned()),
            Shape::Email => Value::Text(contact::normalise_email(text)?),
            Shape::Phone => Value::Text(contact::normalise_phone(text, self.options.region)?),
            Shape::Url => Value::Text(contact::normalise_url(text)?),
            Shape::TimeZone => Value::Text(contact::parse_time_zone(text)?.name().to_owned()),
            Shape::Currency => Value::Text(text.parse::<Currency>()?.code().to_owned()),
            Shape::Moment => Value::Moment(match sheet_moment(cell) {
                Some(naive) => value::in_zone(naive, self.options.zone)?,
                None => value::parse_moment(text, &step.dates, self.options.zone)?,
            }),
            Shape::Day => Value::Day(match sheet_moment(cell) {
                Some(naive) => naive.date().into(),
                None => value::parse_day(text, &step.dates)?,
            }),
            Shape::Money => {
                let amount = number::parse_decimal(text, decimal_mark(cell, step))?;
                let currency = currency.ok_or(CellFault::NoCurrency)?;
                Value::Money {
                    minor_units: number::to_minor_units(amount, currency)?,
                    currency,
                }
            }
            Shape::Percent => {
                let fault = NumberError::OutOfRange { min: 0, max: 100 };
                let number = number::parse_decimal(text, decimal_mark(cell, step))?.normalize();
                match i64::try_from(number.mantissa()) {
                    Ok(whole @ 0..=100) if number.scale() == 0 => Value::Integer(whole),
                    _ => return Err(fault.into()),
                }
            }
            Shape::Object => {
                serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text)
                    .map_err(|_| CellFault::Object)?;
                Value::Text(text.to_owned())
            }
            Shape::List => match list(text)? {
                items if items.is_empty() => return Ok(None),
                items => Value::List(items),
            },
            Shape::Ip => {
                let address: std::net::IpAddr = text.parse().map_err(|_| CellFault::Ip)?;
                Value::Text(address.to_string())
            }
            Shape::Lead => Value::Lead(LeadId::parse(text).map_err(|_| CellFault::LeadId)?),
            Shape::Stage => Value::Stage(text.parse()?),
            Shape::EngagementType => Value::EngagementType(text.parse()?),
            Shape::Channel => Value::Channel(text.parse()?),
            Shape::SourceKind => Value::SourceKind(text.parse()?),
            Shape::Device => Value::Device(text.parse()?),
            Shape::ConversionKind => Value::ConversionKind(text.parse()?),
            Shape::CostKind => Value::CostKind(text.parse()?),
            // As the European Central Bank writes it.
            Shape::Rate if text.eq_ignore_ascii_case("n/a") => return Ok(None),
            Shape::Rate => Value::Decimal(number::parse_decimal(text, decimal_mark(cell, step))?),
            Shape::Consent => Value::Consent(match text.parse::<ConsentState>() {
                Ok(state) => state,
                Err(_) if number::parse_boolean(text)? => ConsentState::Granted,
                Err(_) => ConsentState::Denied,
            }),
        };
        Ok(Some(value))
    }
}

/// A cell without the apostrophe that keeps a spreadsheet program from taking a text for a formula.
fn plain(cell: Cell<'_>) -> Cell<'_> {
    match cell.kind {
        CellKind::Text => Cell {
            text: unguarded(cell.text),
            ..cell
        },
        _ => cell,
    }
}

/// The date of a sheet's cell: one formatted as a date, or a bare serial number.
fn sheet_moment(cell: Cell<'_>) -> Option<chrono::NaiveDateTime> {
    match cell.kind {
        CellKind::Moment(naive) => Some(naive),
        CellKind::Number => value::from_excel_serial(cell.text),
        _ => None,
    }
}

/// Numbers of a sheet always have a point.
fn decimal_mark(cell: Cell<'_>, step: &Step) -> DecimalMark {
    if cell.kind == CellKind::Number {
        DecimalMark::Point
    } else {
        step.decimals
    }
}

/// Several texts between `;` or `|`, or a JSON array of texts, which may have those marks in them.
fn list(text: &str) -> Result<Vec<String>, CellFault> {
    let array: Vec<String> = match text.strip_prefix('[') {
        Some(_) => serde_json::from_str(text).unwrap_or_default(),
        None => Vec::new(),
    };
    let parts: Vec<&str> = if array.is_empty() {
        text.split([';', '|']).collect()
    } else {
        array.iter().map(String::as_str).collect()
    };
    let mut items: Vec<String> = Vec::new();
    for item in parts.into_iter().map(str::trim).filter(|item| !item.is_empty()) {
        if !items.iter().any(|seen| seen == item) {
            items.push(item.to_owned());
        }
        if items.len() > MAX_LIST_ITEMS {
            return Err(CellFault::TooManyItems);
        }
    }
    Ok(items)
}

/// The places of which at least one must have a value in each row, and what to say where none has.
fn needs(mapping: &Mapping) -> Vec<(Vec<usize>, &'static str)> {
    let places = |fields: &[Field]| {
        let bindings = mapping.bindings().iter().enumerate();
        let of_fields = bindings.filter(|(_, binding)| fields.contains(&binding.target.field()));
        of_fields.map(|(at, _)| at).collect::<Vec<_>>()
    };
    let identity = places(&[Field::LeadId, Field::ExternalId, Field::Email, Field::Phone]);
    let of_lead = (
        identity,
        "the row has nothing to know the lead by: no outside id, e-mail or phone",
    );
    let kind = (places(&[Field::Kind]), "the row has no kind");
    let day = (places(&[Field::Day]), "the row has no day");
    let moment = (
        places(&[Field::OccurredAt]),
        "the row does not say when it occurred",
    );
    match mapping.kind() {
        ImportKind::Leads => vec![of_lead],
        ImportKind::Engagements => vec![of_lead, (places(&[Field::Type]), "the row has no type"), moment],
        ImportKind::Conversions => vec![of_lead, kind, moment],
        ImportKind::Costs => vec![kind, day, (places(&[Field::Amount]), "the row has no amount")],
        ImportKind::Rates => vec![day],
    }
}

/// For each binding with dates or amounts to tell, the texts of its column in the first rows.
fn sample(
    mapping: &Mapping,
    options: &ConvertOptions,
    source: &mut Source,
) -> Result<Vec<Vec<String>>, SourceError> {
    let wanted = |binding: &Binding| match binding.target.shape() {
        Shape::Moment | Shape::Day => options.dates == DateFormat::Auto,
        Shape::Money => options.decimals == DecimalMark::Auto,
        _ => false,
    };
    let mut samples = vec![Vec::new(); mapping.bindings().len()];
    let columns: Vec<(usize, usize)> = mapping
        .bindings()
        .iter()
        .enumerate()
        .filter(|(_, binding)| wanted(binding))
        .filter_map(|(at, binding)| Some((at, binding.column?)))
        .collect();
    if columns.is_empty() {
        return Ok(samples);
    }
    let mut rows = source.rows()?;
    let mut row = Row::default();
    for _ in 0..SAMPLE_ROWS {
        if !rows.read(&mut row)? {
            break;
        }
        for &(at, column) in &columns {
            let cell = plain(row.cell(column));
            if row.fault().is_none() && cell.kind == CellKind::Text {
                samples[at].push(cell.text.to_owned());
            }
        }
    }
    Ok(samples)
}
