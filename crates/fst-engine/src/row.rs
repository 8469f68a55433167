//! The rows of the specification that a plan can name as its reason.
//!
//! Carried by [`crate::reconcile::explain`] and shown by `fst why` and every dry run. Invariant: each is a row of
//! docs/design/sync-semantics.md; a test compares the two. Not here: deciding which row applies.

macro_rules! rows {
    ($($name:ident = $number:literal, $reason:literal;)*) => {
        /// A row of docs/design/sync-semantics.md.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Row { $(#[doc = $reason] $name),* }

        impl Row {
            /// Every row that can be a reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its number in the document.
            #[must_use]
            pub fn number(self) -> u16 { match self { $(Self::$name => $number),* } }

            /// The reason in a few words, for people.
            #[must_use]
            pub fn reason(self) -> &'static str { match self { $(Self::$name => $reason),* } }
        }
    };
}

rows! {
    Nothing = 1, "equal here, there and before";
    OnlyHere = 2, "only here";
    OnlyThere = 3, "only there";
    ChangedHere = 4, "changed here, not there";
    ChangedThere = 5, "changed there, not here";
    MovedHere = 6, "moved here";
    MovedThere = 7, "moved there";
    DeletedHere = 8, "deleted here, unchanged there";
    DeletedThere = 9, "deleted there, unchanged here";
    BitChanged = 10, "executable bit changed";
    ChangedAlike = 11, "changed alike on both sides";
    GoneOnBoth = 12, "gone on both sides";
    AddedAlike = 13, "added alike on both sides";
    EditedHereDeletedThere = 14, "edited here, deleted there: the edit stays";
    DeletedHereEditedThere = 15, "deleted here, edited there: the edit stays";
    BitAgainstDelete = 16, "executable bit changed on one side, deleted on the other: it stays";
    OtherTimeOnly = 17, "same content, other time";
    BytesAndBit = 18, "content changed on one side, executable bit on the other";
    MovedAndEdited = 19, "moved on one side, edited on the other";
    LinkChanged = 20, "link points elsewhere";
    MovedAgainstDelete = 21, "moved on one side, deleted on the other: it stays";
    SavedByMove = 22, "its directory was moved on one side, deleted on the other: it stays";
    RemoteEditWins = 30, "edited on both sides: the newer one there keeps the name";
    LocalEditWins = 31, "edited on both sides: the newer one here keeps the name";
    OldestWins = 33, "edited on both sides: the older one keeps the name";
    LoserInHistory = 37, "edited on both sides: the losing content is in history";
    LoserGoesToHistory = 38, "edited on both sides: the losing content goes to history first";
    LinkConflict = 39, "link changed on both sides";
    MovedApart = 40, "moved to different places: the one at the server stays";
    AddedApart = 42, "added on both sides with different contents";
    DirectoryComesBack = 50, "something lives in it";
    MoveUndone = 54, "two moves would put directories into each other";
    NoDirectory = 56, "its directory is unknown";
    DirectoryCycle = 57, "directories lie in each other there";
    OtherKind = 58, "it has another kind than before";
    ReservedName = 59, "its name is reserved";
    NameTaken = 60, "two files have one name: the one at the server keeps it";
    DirectoryKeepsName = 61, "a directory and a file have one name: the directory keeps it";
    UnitedLeaf = 64, "equal to what is to be here";
    UnitedDirectory = 66, "two directories with one name become one";
    Unreadable = 80, "cannot be read here";
    NameOccupied = 83, "something that is not synced has its name here";
    DirectoryNotEmpty = 84, "something that is not synced lies in it";
    InTheWay = 86, "waits for something that is held";
    UploadOnlySent = 90, "changed here; the folder only sends";
    UploadOnlyLeft = 91, "changed there; the folder only sends";
    UploadOnlyBoth = 92, "changed on both sides; the folder only sends";
    DownloadOnlyTaken = 94, "changed there; the folder only receives";
    DownloadOnlyLeft = 95, "changed here; the folder only receives";
    RootMissing = 130, "the folder is not there";
    RootReplaced = 131, "another directory is in its place";
    RootEmptied = 132, "the folder is suddenly empty";
    MassDeleteThere = 133, "very many files would be deleted at the server";
    MassDeleteHere = 134, "very many files would be removed here";
    NotChosen = 180, "not chosen for this device: it stays as it is, here and there";
    IgnoredHere = 225, "a rule ignores it: it stays as it is, here and there";
    IgnoredAndAway = 227, "a rule ignores it here: it is not fetched";
    MovedOutOfView = 230, "moved to where a rule ignores it: it stays there";
    BothMerged = 320, "edited on both sides: a clean merge has both";
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S-{:03}", self.number())
    }
}

impl From<&crate::guard::Stop> for Row {
    fn from(stop: &crate::guard::Stop) -> Self {
        use crate::guard::Stop;
        use crate::reconcile::Side;
        match stop {
            Stop::RootMissing => Self::RootMissing,
            Stop::RootReplaced => Self::RootReplaced,
            Stop::RootEmptied { .. } => Self::RootEmptied,
            Stop::MassDelete {
                side: Side::Remote, ..
            } => Self::MassDeleteThere,
            Stop::MassDelete {
                side: Side::Local, ..
            } => Self::MassDeleteHere,
        }
    }
}
