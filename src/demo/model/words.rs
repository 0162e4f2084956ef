//! The words that companies, jobs, pages and devices are made of.

/// What companies are called: what comes first, and what they are, with the customer type that is typical of it.
pub(super) static COMPANY_NAMES: &[&str] = &[
    "Alpenglow",
    "Coastline",
    "Lindner",
    "Northwind",
    "Tempo",
    "Col du Nord",
    "Meridian",
    "Ridgeway",
    "Velo Azul",
    "Kestrel",
    "Serra",
    "Blue Mile",
    "Polder",
    "Fjord",
    "Kilometre 42",
    "Granite",
    "Sakura",
    "Savanna",
    "Monsoon",
    "Bosphorus",
    "Redwood",
    "Cadence",
    "Watt",
    "Second Wind",
    "Falcon",
    "Marathon Lane",
    "Summit",
    "Harbour",
    "Tramontana",
    "Pampas",
];

/// By customer type: what a company of its kind calls itself.
pub(super) static COMPANY_KINDS: &[(&str, &[&str])] = &[
    (
        "coach",
        &["Coaching", "Endurance Coaching", "Performance", "Training Lab"],
    ),
    (
        "team",
        &[
            "Cycling Team",
            "Triathlon Club",
            "Racing",
            "Running Club",
            "Rowing Club",
        ],
    ),
    ("bike_fitter", &["Bike Fit", "Fit Studio", "Velo Lab"]),
    ("retailer", &["Cycles", "Bike Shop", "Sports"]),
    ("event_organiser", &["Events", "Gran Fondo", "Race Series"]),
];

/// Job titles by customer type.
pub(super) static JOB_TITLES: &[(&str, &[&str])] = &[
    (
        "coach",
        &["Head Coach", "Founder", "Performance Coach", "Assistant Coach"],
    ),
    (
        "team",
        &[
            "Team Manager",
            "Sports Director",
            "Club Secretary",
            "Head of Performance",
        ],
    ),
    ("bike_fitter", &["Bike Fitter", "Owner", "Workshop Manager"]),
    ("retailer", &["Store Manager", "Purchasing", "Owner"]),
    ("event_organiser", &["Race Director", "Head of Marketing"]),
];

/// Sports, as options of the field `sport_type`.
pub(super) static SPORTS: &[&str] = &[
    "road_cycling",
    "triathlon",
    "running",
    "gravel",
    "mountain_biking",
    "trail_running",
    "swimming",
    "rowing",
];

/// What leads are interested in.
pub(super) static INTERESTS: &[&str] = &[
    "training plans",
    "power meters",
    "bike fitting",
    "nutrition",
    "race calendar",
    "team management",
    "video analysis",
    "indoor training",
    "recovery",
    "altitude camps",
];

/// Tools in use, as options of the field `tools`.
pub(super) static TOOLS: &[&str] = &["spreadsheet", "garmin", "strava", "wahoo", "zwift", "none"];

/// Those responsible for leads.
pub(super) static OWNERS: &[&str] = &[
    "nadia.hale@leadline.example",
    "jorge.paz@leadline.example",
    "mirte.kok@leadline.example",
    "sam.oyelaran@leadline.example",
];

/// Pages of the website, with their titles.
pub(super) static PAGES: &[(&str, &str)] = &[
    ("/", "Train with a plan"),
    ("/pricing", "Plans and prices"),
    ("/features/team", "For teams"),
    ("/features/coaching", "For coaches"),
    ("/bike-fit", "Bike fitting"),
    ("/blog/ftp-test", "How to test your threshold"),
    ("/blog/winter-base", "A base for the winter"),
    ("/stories/club-of-200", "How a club of 200 trains together"),
    ("/compare", "Which plan fits?"),
    ("/webinars", "Webinars"),
];

/// Files that are downloaded.
pub(super) static DOWNLOADS: &[&str] = &[
    "12-week plan (PDF)",
    "Bike fit checklist",
    "Season planner (XLSX)",
    "Nutrition guide",
    "Team rate card",
];

/// Browsers by device.
pub(super) static DESKTOP_AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";
/// Of a telephone.
pub(super) static MOBILE_AGENT: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
/// Of a tablet.
pub(super) static TABLET_AGENT: &str = "Mozilla/5.0 (Linux; Android 15; SM-X710) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";
/// A mail gateway that names itself.
pub(super) static GATEWAY_AGENT: &str = "Mozilla/5.0 (compatible; Barracuda Sentinel (EE))";
/// Apple Mail Privacy Protection.
pub(super) static PREFETCH_AGENT: &str = "Mozilla/5.0";
