//! The four stores that exist, and what they sell. Any other store answers as a closed one.
//!
//! They differ where a reader of orders can go wrong: decimals of the currency, tax inside or outside the price, and a
//! time zone with or without daylight saving.

use chrono::{DateTime, Datelike, Days, Duration, NaiveDate, NaiveTime, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use rust_decimal::Decimal;

use super::money::CurrencyCode;

/// A store: the facts that never change.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) domain: &'static str,
    pub(crate) name: &'static str,
    /// Keeps the ids of one store apart from those of the others.
    pub(crate) number: u64,
    pub(crate) currency: CurrencyCode,
    pub(crate) timezone: Tz,
    pub(crate) taxes_included: bool,
    /// Tax rates of the places it sells to, in hundredths of a percent, with how often each occurs.
    pub(crate) tax_rates: &'static [(i64, i64)],
    pub(crate) taxes_shipping: bool,
    /// Orders on a slow and on a busy day.
    pub(crate) daily_orders: (i64, i64),
    /// The weekday's pull towards a busy day, in percent, from Monday.
    pub(crate) weekdays: [i64; 7],
    /// Currencies that foreign buyers see, and the rate in ten-thousandths.
    pub(crate) presentment: &'static [(CurrencyCode, i64)],
    /// In smallest units: the price of shipping, and the subtotal from which it is free.
    pub(crate) shipping: (i64, i64),
    pub(crate) shipping_title: &'static str,
    pub(crate) plan: &'static str,
    /// What the product of the month is called after the month's name.
    pub(crate) monthly: (&'static str, i64),
    pub(crate) catalogue: &'static [Goods],
}

/// A row of a catalogue: title, type, vendor, code, price in smallest units, variants.
type Goods = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    i64,
    &'static [&'static str],
);

/// A product as the store has it now.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    pub(crate) id: u64,
    pub(crate) title: String,
    pub(crate) kind: &'static str,
    pub(crate) vendor: &'static str,
    pub(crate) status: Status,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) variants: Vec<Variant>,
}

/// Whether buyers can see a product.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Status {
    Active,
    Archived,
}

/// A product's variant.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) id: u64,
    pub(crate) title: &'static str,
    pub(crate) sku: String,
    pub(crate) price: Decimal,
}

impl Product {
    /// Whether it is a gift card: money kept for later, not goods.
    pub(crate) fn is_gift_card(&self) -> bool {
        self.kind == GIFT_CARD
    }
}

/// The product type of gift cards.
const GIFT_CARD: &str = "Gift card";

/// The store with this domain.
pub(crate) fn find(domain: &str) -> Option<&'static Profile> {
    ALL.iter().find(|profile| profile.domain == domain)
}

impl Profile {
    /// When the store was opened.
    pub(crate) fn opened_at(&self) -> DateTime<Utc> {
        self.day_start(NaiveDate::from_ymd_opt(2025, 1, 1).unwrap_or_default())
    }

    /// The first instant of a local day.
    pub(crate) fn day_start(&self, date: NaiveDate) -> DateTime<Utc> {
        self.instant(date, NaiveTime::MIN, false)
    }

    /// The local day of an instant.
    pub(crate) fn local_date(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.timezone).date_naive()
    }

    /// The instant of a local wall time. `later` chooses the second of two where the clock goes back; a wall time that
    /// the clock skips is an hour later.
    pub(crate) fn instant(&self, date: NaiveDate, time: NaiveTime, later: bool) -> DateTime<Utc> {
        let wall = date.and_time(time);
        let found = self.timezone.from_local_datetime(&wall);
        let chosen = if later { found.latest() } else { found.earliest() };
        match chosen.or_else(|| {
            self.timezone
                .from_local_datetime(&(wall + Duration::hours(1)))
                .earliest()
        }) {
            Some(local) => local.with_timezone(&Utc),
            None => wall.and_utc(),
        }
    }

    /// The instant at which the clock changes on this local day, if it does.
    pub(crate) fn clock_change(&self, date: NaiveDate) -> Option<DateTime<Utc>> {
        let offset = |at: DateTime<Utc>| {
            use chrono::Offset;
            at.with_timezone(&self.timezone).offset().fix().local_minus_utc()
        };
        let (mut before, mut after) = (self.day_start(date), self.day_start(date + Days::new(1)));
        if offset(before) == offset(after) {
            return None;
        }
        while after - before > Duration::seconds(1) {
            let middle = before + (after - before) / 2;
            if offset(middle) == offset(before) {
                before = middle;
            } else {
                after = middle;
            }
        }
        DateTime::from_timestamp(after.timestamp(), 0)
    }

    /// The products that exist at this instant: the catalogue and the product of the month. A product of an earlier
    /// month has been deleted: orders still name it, but nothing stands behind the name.
    pub(crate) fn products(&self, now: DateTime<Utc>) -> Vec<Product> {
        let mut products: Vec<_> = (0..self.catalogue.len())
            .map(|index| self.catalogue_product(index, now))
            .collect();
        products.push(self.monthly_product(self.local_date(now), now));
        products
    }

    /// The catalogue's product with this index.
    pub(crate) fn catalogue_product(&self, index: usize, now: DateTime<Utc>) -> Product {
        let (title, kind, vendor, code, price, names) = self.catalogue[index];
        let row = u64::try_from(index).unwrap_or(0);
        let id = self.product_base() + (row + 1) * 100;
        let created = NaiveDate::from_ymd_opt(2025, 1, 6).unwrap_or_default() + Days::new(row * 9);
        let variants = names
            .iter()
            .zip(1_u32..)
            .map(|(name, position)| Variant {
                id: id + u64::from(position),
                title: name,
                sku: if names.len() == 1 {
                    code.to_owned()
                } else {
                    format!("{code}-{position}")
                },
                // Each further variant costs a tenth more.
                price: self
                    .currency
                    .round(self.currency.minor(price) * (Decimal::ONE + Decimal::new(i64::from(position) - 1, 1))),
            })
            .collect();
        Product {
            id,
            title: title.to_owned(),
            kind,
            vendor,
            status: if index % 12 == 11 {
                Status::Archived
            } else {
                Status::Active
            },
            created_at: self.day_start(created),
            updated_at: self.last_restocked(row, now),
            variants,
        }
    }

    /// The product that exists only in the month of this date.
    pub(crate) fn monthly_product(&self, date: NaiveDate, now: DateTime<Utc>) -> Product {
        let first = date.with_day(1).unwrap_or(date);
        let months = u64::try_from(first.year()).unwrap_or(0) * 12 + u64::from(first.month0());
        let id = self.product_base() + 50_000_000 + months * 100;
        let (noun, price) = self.monthly;
        let start = self.day_start(first);
        Product {
            id,
            title: format!("{} {noun}", first.format("%B %Y")),
            kind: "Limited edition",
            vendor: self.name,
            status: Status::Active,
            created_at: start,
            updated_at: self.last_restocked(months, now).max(start),
            variants: vec![Variant {
                id: id + 1,
                title: "Default Title",
                sku: format!("LTD-{}", first.format("%Y%m")),
                price: self.currency.minor(price),
            }],
        }
    }

    /// Products are restocked every week or two, early in the morning, which changes them.
    fn last_restocked(&self, row: u64, now: DateTime<Utc>) -> DateTime<Utc> {
        let every = i64::try_from(6 + row % 9).unwrap_or(7);
        let minutes = u32::try_from(row % 60).unwrap_or(0);
        let time = NaiveTime::from_hms_opt(4, minutes, 11).unwrap_or_default();
        let today = self.local_date(now);
        let since = i64::from(today.num_days_from_ce()).rem_euclid(every);
        let at = self.instant(today - Duration::days(since), time, false);
        if at <= now {
            at
        } else {
            self.instant(today - Duration::days(since + every), time, false)
        }
    }

    fn product_base(&self) -> u64 {
        8_000_000_000_000 + self.number * 100_000_000_000
    }

    /// How busy a date is: its weekday, more in the weeks before the winter holidays.
    pub(crate) fn pull(&self, date: NaiveDate) -> i64 {
        let weekday = self.weekdays[date.weekday().num_days_from_monday() as usize];
        let season = match (date.month(), date.day()) {
            (11, 20..) | (12, ..=20) => 15,
            _ => 0,
        };
        let black_friday = date.month() == 11 && date.weekday() == Weekday::Fri && (23..=29).contains(&date.day());
        weekday + season + if black_friday { 40 } else { 0 }
    }
}

const ONE: &[&str] = &["Default Title"];
const SIZES: &[&str] = &["Small", "Medium", "Large"];
const FRAMES: &[&str] = &["51 cm", "54 cm", "57 cm", "60 cm"];
const TINS: &[&str] = &["50 g", "100 g", "200 g"];
const BOTTLES: &[&str] = &["3 ml", "6 ml", "12 ml"];
const VALUES: &[&str] = &["One", "Two", "Three"];

/// Every store there is.
pub(crate) static ALL: [Profile; 4] = [
    Profile {
        domain: "aurora-goods.myshopify.com",
        name: "Aurora Goods",
        number: 1,
        currency: CurrencyCode::Usd,
        timezone: chrono_tz::America::New_York,
        taxes_included: false,
        tax_rates: &[(888, 40), (663, 20), (725, 15), (0, 25)],
        taxes_shipping: true,
        daily_orders: (20, 45),
        weekdays: [35, 25, 30, 40, 55, 85, 75],
        presentment: &[(CurrencyCode::Cad, 13_712), (CurrencyCode::Gbp, 7_831)],
        shipping: (695, 9_900),
        shipping_title: "Ground",
        plan: "Grow",
        monthly: ("Candle", 3_800),
        catalogue: &[
            (
                "Stoneware Mug",
                "Kitchen",
                "Aurora Goods",
                "AUR-MUG",
                2_400,
                &["Oat", "Slate", "Fern"],
            ),
            (
                "Linen Throw",
                "Home",
                "Aurora Goods",
                "AUR-THR",
                8_900,
                &["Natural", "Rust"],
            ),
            ("Cast Iron Skillet", "Kitchen", "Hearthside", "HRT-SKL", 6_450, SIZES),
            ("Beeswax Candle", "Home", "Northfield Apiary", "NFA-CND", 1_995, ONE),
            ("Wool Socks", "Apparel", "Northfield Mill", "NFM-SCK", 2_250, SIZES),
            (
                "Canvas Tote",
                "Bags",
                "Aurora Goods",
                "AUR-TOT",
                3_200,
                &["Natural", "Black"],
            ),
            ("Enamel Kettle", "Kitchen", "Hearthside", "HRT-KTL", 7_899, ONE),
            (
                "Walnut Cutting Board",
                "Kitchen",
                "Timber and Grain",
                "TGR-BRD",
                5_499,
                SIZES,
            ),
            (
                "Merino Beanie",
                "Apparel",
                "Northfield Mill",
                "NFM-BNE",
                3_450,
                &["Charcoal", "Moss"],
            ),
            ("Brass Desk Lamp", "Lighting", "Lumen Works", "LUM-DSK", 14_900, ONE),
            ("Rattan Basket", "Home", "Aurora Goods", "AUR-BSK", 4_275, SIZES),
            ("Glass Carafe", "Kitchen", "Clearwater", "CLW-CRF", 3_999, ONE),
            (
                "Field Notebook",
                "Stationery",
                "Paper Trail",
                "PTR-NTB",
                1_250,
                &["Plain", "Dotted", "Ruled"],
            ),
            ("Pencil Set", "Stationery", "Paper Trail", "PTR-PCL", 899, ONE),
            ("Leather Key Fob", "Accessories", "Saddle Row", "SDR-KEY", 1_899, ONE),
            ("Cotton Apron", "Kitchen", "Aurora Goods", "AUR-APR", 4_600, ONE),
            ("Ceramic Planter", "Garden", "Clearwater", "CLW-PLT", 2_999, SIZES),
            ("Copper Watering Can", "Garden", "Hearthside", "HRT-CAN", 6_750, ONE),
            (
                "Flannel Sheet Set",
                "Bedding",
                "Northfield Mill",
                "NFM-SHT",
                12_900,
                &["Twin", "Queen", "King"],
            ),
            ("Feather Pillow", "Bedding", "Northfield Mill", "NFM-PLW", 5_850, ONE),
            ("Oak Picture Frame", "Home", "Timber and Grain", "TGR-FRM", 2_775, SIZES),
            ("Reed Diffuser", "Home", "Northfield Apiary", "NFA-DIF", 3_399, ONE),
            (
                "Travel Tumbler",
                "Kitchen",
                "Clearwater",
                "CLW-TMB",
                2_899,
                &["White", "Green"],
            ),
            ("Wall Clock", "Home", "Lumen Works", "LUM-CLK", 8_250, ONE),
            ("Gift Card", GIFT_CARD, "Aurora Goods", "AUR-GFT", 5_000, VALUES),
        ],
    },
    Profile {
        domain: "berlin-bikes.myshopify.com",
        name: "Berlin Bikes",
        number: 2,
        currency: CurrencyCode::Eur,
        timezone: chrono_tz::Europe::Berlin,
        taxes_included: true,
        tax_rates: &[(1_900, 75), (2_000, 15), (0, 10)],
        taxes_shipping: true,
        daily_orders: (12, 30),
        weekdays: [45, 35, 35, 40, 50, 80, 65],
        presentment: &[(CurrencyCode::Chf, 9_412), (CurrencyCode::Gbp, 8_534)],
        shipping: (590, 7_500),
        shipping_title: "DHL Paket",
        plan: "Advanced",
        monthly: ("Jersey", 7_900),
        catalogue: &[
            (
                "Ledersattel",
                "Parts",
                "Kreuzberg Leder",
                "KL-SAT",
                11_900,
                &["Honey", "Black"],
            ),
            ("Faltschloss", "Locks", "Wachhund", "WH-FLT", 7_995, ONE),
            ("Kettenschloss", "Locks", "Wachhund", "WH-KET", 5_495, ONE),
            ("Frontlicht 80 Lux", "Lights", "Lichtspur", "LS-F80", 6_490, ONE),
            ("Rücklicht", "Lights", "Lichtspur", "LS-R10", 2_990, ONE),
            ("Fahrradhelm Tempelhof", "Helmets", "Kopfsache", "KS-TMP", 8_995, SIZES),
            ("Kinderhelm", "Helmets", "Kopfsache", "KS-KID", 4_995, SIZES),
            ("Regenjacke", "Apparel", "Wetterfest", "WF-RJK", 12_900, SIZES),
            ("Handschuhe Winter", "Apparel", "Wetterfest", "WF-HND", 3_995, SIZES),
            (
                "Packtasche",
                "Bags",
                "Wetterfest",
                "WF-PCK",
                9_490,
                &["Einzeln", "Paar"],
            ),
            ("Lenkertasche", "Bags", "Wetterfest", "WF-LNK", 5_990, ONE),
            (
                "Reifen 28 Zoll",
                "Parts",
                "Rundlauf",
                "RL-R28",
                3_490,
                &["32 mm", "40 mm"],
            ),
            ("Schlauch", "Parts", "Rundlauf", "RL-SCH", 795, ONE),
            ("Kette 11-fach", "Parts", "Rundlauf", "RL-K11", 2_999, ONE),
            ("Bremsbeläge", "Parts", "Haltestelle", "HS-BRM", 1_249, ONE),
            ("Standpumpe", "Tools", "Werkbank", "WB-PMP", 4_490, ONE),
            ("Multitool", "Tools", "Werkbank", "WB-MLT", 2_795, ONE),
            ("Kettenöl", "Care", "Werkbank", "WB-OEL", 995, ONE),
            ("Klingel Messing", "Parts", "Kreuzberg Leder", "KL-KLG", 1_890, ONE),
            ("Kindersitz", "Parts", "Kopfsache", "KS-SIT", 13_900, ONE),
            ("Stadtrad Sieben", "Bicycle", "Berlin Bikes", "BB-ST7", 89_900, FRAMES),
            ("Gravelrad Havel", "Bicycle", "Berlin Bikes", "BB-HAV", 169_900, FRAMES),
            ("Lastenrad Spree", "Bicycle", "Berlin Bikes", "BB-SPR", 329_900, ONE),
            (
                "Kinderrad Spatz",
                "Bicycle",
                "Berlin Bikes",
                "BB-SPZ",
                34_900,
                &["16 Zoll", "20 Zoll"],
            ),
            ("Geschenkgutschein", GIFT_CARD, "Berlin Bikes", "BB-GFT", 5_000, VALUES),
        ],
    },
    Profile {
        domain: "kyoto-tea.myshopify.com",
        name: "Kyoto Tea",
        number: 3,
        currency: CurrencyCode::Jpy,
        timezone: chrono_tz::Asia::Tokyo,
        taxes_included: true,
        tax_rates: &[(800, 80), (1_000, 20)],
        taxes_shipping: true,
        daily_orders: (14, 34),
        weekdays: [40, 35, 40, 40, 55, 75, 80],
        presentment: &[(CurrencyCode::Usd, 66), (CurrencyCode::Sgd, 87)],
        shipping: (660, 6_500),
        shipping_title: "Yamato",
        plan: "Basic",
        monthly: ("Blend", 1_944),
        catalogue: &[
            ("Sencha Uji", "Green tea", "Kyoto Tea", "KYT-SEN", 1_296, TINS),
            ("Gyokuro Asahi", "Green tea", "Kyoto Tea", "KYT-GYO", 3_240, TINS),
            (
                "Ceremonial Matcha",
                "Matcha",
                "Kyoto Tea",
                "KYT-MAT",
                2_700,
                &["30 g", "100 g"],
            ),
            (
                "Kitchen Matcha",
                "Matcha",
                "Kyoto Tea",
                "KYT-KMT",
                1_188,
                &["100 g", "500 g"],
            ),
            ("Hojicha", "Roasted tea", "Kyoto Tea", "KYT-HOJ", 756, TINS),
            ("Genmaicha", "Green tea", "Kyoto Tea", "KYT-GEN", 864, TINS),
            ("Kukicha", "Green tea", "Kyoto Tea", "KYT-KUK", 702, TINS),
            ("Wakoucha Black Tea", "Black tea", "Higashiyama", "HGS-WAK", 1_404, TINS),
            ("Barley Tea", "Herbal", "Higashiyama", "HGS-MUG", 540, ONE),
            ("Yuzu Tea", "Herbal", "Higashiyama", "HGS-YUZ", 1_080, ONE),
            ("Soba Tea", "Herbal", "Higashiyama", "HGS-SOB", 918, ONE),
            ("First Flush Shincha", "Green tea", "Kyoto Tea", "KYT-SHN", 2_160, TINS),
            (
                "Kyusu Teapot",
                "Teaware",
                "Tokoname Kiln",
                "TKN-KYU",
                9_800,
                &["Red", "Black"],
            ),
            ("Yunomi Cup", "Teaware", "Tokoname Kiln", "TKN-YUN", 2_480, ONE),
            (
                "Matcha Bowl",
                "Teaware",
                "Raku Studio",
                "RAK-BWL",
                12_500,
                &["Black", "White"],
            ),
            ("Bamboo Whisk", "Teaware", "Takayama", "TKY-CHS", 3_300, ONE),
            ("Tea Scoop", "Teaware", "Takayama", "TKY-SCP", 1_210, ONE),
            ("Whisk Stand", "Teaware", "Raku Studio", "RAK-STD", 1_650, ONE),
            ("Cherry Bark Caddy", "Teaware", "Kakunodate", "KKD-CDY", 8_250, ONE),
            ("Cast Iron Tetsubin", "Teaware", "Nambu", "NMB-TET", 18_700, ONE),
            ("Cold Brew Bottle", "Teaware", "Clear Glass", "CLG-BTL", 2_090, ONE),
            ("Tea Sampler", "Sets", "Kyoto Tea", "KYT-SMP", 3_024, ONE),
            ("Wagashi Box", "Sweets", "Gion Kashi", "GKS-WAG", 2_376, &["6", "12"]),
            ("Matcha Cookies", "Sweets", "Gion Kashi", "GKS-CKE", 1_026, ONE),
            ("Gift Card", GIFT_CARD, "Kyoto Tea", "KYT-GFT", 5_000, VALUES),
        ],
    },
    Profile {
        domain: "gulf-oud.myshopify.com",
        name: "Gulf Oud",
        number: 4,
        currency: CurrencyCode::Kwd,
        timezone: chrono_tz::Asia::Kuwait,
        taxes_included: false,
        // Kuwait levies none; its neighbours take 5 and 15 %.
        tax_rates: &[(0, 50), (500, 30), (1_500, 20)],
        taxes_shipping: true,
        daily_orders: (12, 26),
        weekdays: [40, 40, 50, 75, 85, 55, 45],
        presentment: &[(CurrencyCode::Aed, 119_650), (CurrencyCode::Sar, 122_150)],
        shipping: (1_750, 25_000),
        shipping_title: "Courier",
        plan: "Grow",
        monthly: ("Attar", 12_350),
        catalogue: &[
            ("Oud Kalimantan", "Oil", "Gulf Oud", "GO-KAL", 28_750, BOTTLES),
            ("Oud Hindi", "Oil", "Gulf Oud", "GO-HIN", 34_500, BOTTLES),
            ("Oud Cambodi", "Oil", "Gulf Oud", "GO-CAM", 31_250, BOTTLES),
            ("Rose Taifi", "Oil", "Taif Gardens", "TG-ROS", 18_375, BOTTLES),
            ("White Musk", "Oil", "Gulf Oud", "GO-MSK", 6_250, BOTTLES),
            ("Amber Resin", "Resin", "Gulf Oud", "GO-AMB", 4_875, ONE),
            ("Frankincense Hojari", "Resin", "Dhofar", "DHF-HOJ", 3_650, SIZES),
            ("Frankincense Royal", "Resin", "Dhofar", "DHF-ROY", 7_125, SIZES),
            ("Bakhoor Al Diwan", "Bakhoor", "Gulf Oud", "GO-DIW", 5_495, SIZES),
            ("Bakhoor Layali", "Bakhoor", "Gulf Oud", "GO-LAY", 4_995, SIZES),
            ("Bakhoor Maamoul", "Bakhoor", "Gulf Oud", "GO-MAA", 6_725, ONE),
            ("Agarwood Chips", "Wood", "Gulf Oud", "GO-CHP", 22_385, SIZES),
            (
                "Agarwood Chips Triple Super",
                "Wood",
                "Gulf Oud",
                "GO-CH3",
                64_250,
                SIZES,
            ),
            ("Sandalwood Powder", "Wood", "Mysore House", "MYS-SND", 8_115, ONE),
            (
                "Brass Mabkhara",
                "Burner",
                "Souq Craft",
                "SQC-BRS",
                9_850,
                &["Plain", "Engraved"],
            ),
            ("Wooden Mabkhara", "Burner", "Souq Craft", "SQC-WOD", 7_335, ONE),
            ("Electric Burner", "Burner", "Souq Craft", "SQC-ELC", 11_995, ONE),
            ("Charcoal Discs", "Burner", "Souq Craft", "SQC-CHR", 950, ONE),
            (
                "Eau de Parfum Shamal",
                "Perfume",
                "Gulf Oud",
                "GO-SHM",
                19_995,
                &["50 ml", "100 ml"],
            ),
            (
                "Eau de Parfum Marsa",
                "Perfume",
                "Gulf Oud",
                "GO-MRS",
                21_495,
                &["50 ml", "100 ml"],
            ),
            ("Hair Mist", "Perfume", "Gulf Oud", "GO-HRM", 5_775, ONE),
            ("Room Spray", "Home", "Gulf Oud", "GO-SPR", 3_985, ONE),
            ("Saffron Threads", "Pantry", "Herat", "HRT-SAF", 4_445, ONE),
            ("Crystal Attar Bottle", "Gift", "Souq Craft", "SQC-CRY", 13_625, ONE),
            ("Gift Card", GIFT_CARD, "Gulf Oud", "GO-GFT", 10_000, VALUES),
        ],
    },
];
