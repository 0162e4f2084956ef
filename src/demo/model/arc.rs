//! What comes of a lead, and how its interest goes.

use super::dice::Dice;

/// What comes of a lead up to the reference day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Not contacted yet.
    Fresh,
    /// Mailed, hardly a reaction.
    Cold,
    /// Reads and looks around.
    Nurtured,
    /// Talks to sales.
    Engaged,
    /// A deal is open.
    Opportunity,
    /// Bought.
    Customer,
    /// Bought and left.
    Churned,
    /// Said no.
    Lost,
}

/// Outcome, share, days of age it needs at least, whether the share grows with the lead's promise.
const OUTCOMES: &[(Outcome, f64, i64, bool)] = &[
    (Outcome::Fresh, 0.06, 0, false),
    (Outcome::Cold, 0.46, 0, false),
    (Outcome::Nurtured, 0.20, 0, true),
    (Outcome::Engaged, 0.13, 3, true),
    (Outcome::Opportunity, 0.055, 8, true),
    (Outcome::Customer, 0.058, 14, true),
    (Outcome::Churned, 0.02, 80, true),
    (Outcome::Lost, 0.06, 20, false),
];

impl Outcome {
    /// For a lead of some promise (about 1) and age in days.
    pub(super) fn draw(dice: &mut Dice, promise: f64, age: i64) -> Self {
        dice.weighted(OUTCOMES, |(_, share, needs, grows)| {
            match (age >= *needs, grows) {
                (false, _) => 0.0,
                (true, true) => share * promise,
                (true, false) => *share,
            }
        })
        .0
    }
}

/// How the interest of a lead goes over its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Arc {
    /// Hardly there from the beginning.
    #[default]
    Dormant,
    /// A few days, and no more.
    Burst,
    /// Strong at first, then less and less.
    Fading,
    /// The same all along.
    Steady,
    /// More and more of late.
    Rising,
}

impl Arc {
    pub(super) fn draw(dice: &mut Dice, outcome: Outcome) -> Self {
        const ARCS: [Arc; 5] = [Arc::Dormant, Arc::Burst, Arc::Fading, Arc::Steady, Arc::Rising];
        let shares: [f64; 5] = match outcome {
            Outcome::Fresh => [0.3, 0.6, 0.1, 0.0, 0.0],
            Outcome::Cold => [0.66, 0.14, 0.2, 0.0, 0.0],
            Outcome::Nurtured => [0.0, 0.0, 0.35, 0.35, 0.3],
            Outcome::Engaged => [0.0, 0.0, 0.25, 0.3, 0.45],
            Outcome::Opportunity => [0.0, 0.0, 0.1, 0.25, 0.65],
            Outcome::Customer => [0.0, 0.0, 0.3, 0.5, 0.2],
            Outcome::Churned => [0.0, 0.0, 1.0, 0.0, 0.0],
            Outcome::Lost => [0.1, 0.2, 0.7, 0.0, 0.0],
        };
        *dice.weighted(&ARCS, |arc| shares[*arc as usize])
    }

    /// The interest, 0–1, some days after the beginning and some before the end of a life so far.
    pub(super) fn interest(self, since: f64, left: f64, life: f64) -> f64 {
        match self {
            Self::Dormant => 0.03,
            Self::Burst => {
                if since < 4.0 {
                    1.0
                } else {
                    0.02
                }
            }
            Self::Fading => (-since / (0.12 * life + 8.0)).exp(),
            Self::Steady => 0.5,
            Self::Rising => 0.15 + 0.85 * (-left / 18.0).exp(),
        }
    }
}
