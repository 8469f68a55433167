//! The error catalogue: one code, one meaning, one next step.
//!
//! Command line, daemon and server share it; each face renders it in its own way. Invariant: codes are stable
//! and every code has a next step. Ranges: interfaces are 1xxx account and files, 2xxx configuration, 3xxx
//! operating system, 4xxx network, 5xxx server, 6xxx conflicts and safety stops, 7xxx integrity, 9xxx internal.

/// Exit codes that scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed, see message.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// Partly done.
    Partial = 3,
    /// Sign-in or permission needed.
    Permission = 4,
    /// File, version, conflict or device not found.
    NotFound = 5,
    /// Refused: would conflict or lose data.
    Refused = 6,
    /// Server not reachable.
    Unreachable = 7,
    /// Daemon not running.
    NoDaemon = 8,
    /// Configuration invalid.
    Config = 9,
    /// Integrity damage found.
    Damage = 10,
    /// Locked by another process.
    Locked = 11,
    /// Wrong key, cannot decrypt.
    WrongKey = 12,
    /// Refused by quota or server policy.
    Policy = 13,
    /// Timed out.
    TimedOut = 14,
    /// Ended by Ctrl-C.
    Interrupted = 130,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $exit:ident, $status:literal, $title:literal, $next:literal;)*) => {
        /// A stable error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ErrorCode { $($(#[$doc])* $name),* }

        impl ErrorCode {
            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Number behind `FST-`.
            #[must_use]
            pub fn number(self) -> u16 { match self { $(Self::$name => $number),* } }

            /// Exit code of a command that fails with it.
            #[must_use]
            pub fn exit(self) -> Exit { match self { $(Self::$name => Exit::$exit),* } }

            /// HTTP status when a server says it.
            #[must_use]
            pub fn http_status(self) -> u16 { match self { $(Self::$name => $status),* } }

            /// One sentence without the particulars.
            #[must_use]
            pub fn title(self) -> &'static str { match self { $(Self::$name => $title),* } }

            /// The next command to type, or what to do.
            #[must_use]
            pub fn next_step(self) -> &'static str { match self { $(Self::$name => $next),* } }
        }
    };
}

codes! {
    /// No account on this device.
    NotInitialised = 1101, Permission, 401, "this device is not set up", "fst init --server URL --setup-code CODE";
    /// The set-up code is unknown, used or expired.
    BadSetupCode = 1102, Permission, 403, "the set-up code is not valid", "read the current code on the server: cat DATA/setup-code";
    /// The join string is unknown, used or expired.
    BadJoin = 1103, Permission, 403, "the join string is not valid any more", "make a new one on another device: fst devices invite";
    /// The join string is not well formed.
    MalformedJoin = 1104, Usage, 400, "this is not a join string", "copy the whole line that 'fst devices invite' printed";
    /// The device signed in wrongly, was revoked, or its token ended.
    Unauthorized = 1105, Permission, 401, "the server does not accept this device", "fst status";
    /// Set up already.
    AlreadyInitialised = 1106, Refused, 409, "this device is set up already", "fst status";
    /// Recovery words are wrong.
    BadRecovery = 1107, WrongKey, 403, "the recovery words do not fit this server", "check the 24 words and the server address";
    /// The administrator disabled the account.
    AccountDisabled = 1108, Permission, 403, "the administrator disabled this account", "nothing is deleted; ask the administrator for: fst-server user enable ACCOUNT";
    /// The administrator bars the device.
    DeviceBarred = 1109, Permission, 403, "the administrator bars this device", "nothing is deleted; ask the administrator for: fst-server device admit DEVICE";
    /// Nothing there.
    NotFound = 1201, NotFound, 404, "not found", "fst status";
    /// Folder is not synced.
    UnknownFolder = 1202, NotFound, 404, "this folder is not synced", "fst add PATH --two-way";
    /// Folder exists already.
    FolderExists = 1203, Refused, 409, "this folder is synced already", "fst status";
    /// Folder inside another.
    FolderOverlap = 1204, Refused, 409, "a synced folder cannot lie inside another one", "choose a folder outside, or remove the other: fst remove PATH";
    /// No such file in history.
    NoSuchVersion = 1205, NotFound, 404, "no such version", "fst history";
    /// A rule of this name.
    ScheduleExists = 1206, Refused, 409, "there is a rule of this name", "fst schedule list";
    /// No such operation in the log.
    NoSuchOperation = 1207, NotFound, 404, "no such operation", "fst op log";
    /// No such open conflict.
    NoSuchConflict = 1208, NotFound, 404, "no such conflict", "fst conflicts list";
    /// Wrong arguments.
    Usage = 1301, Usage, 400, "wrong usage", "fst --help";
    /// Ctrl-C.
    Interrupted = 1302, Interrupted, 503, "interrupted", "run the command again";
    /// Bad configuration file.
    BadConfig = 2001, Config, 400, "the configuration is not valid", "fst config validate";
    /// A key that does not exist.
    UnknownSetting = 2003, Config, 400, "there is no such setting", "fst config list";
    /// No YAML.
    BadSyntax = 2004, Config, 400, "the file cannot be read as YAML", "fst config edit";
    /// A value that does not fit its key.
    BadValue = 2011, Config, 400, "the value does not fit", "fst config validate";
    /// An edit that might harm the rest of the file.
    EditByHand = 2012, Refused, 409, "the file is written in a way that cannot be edited safely from here", "fst config edit";
    /// A secret out of the documentation.
    ExampleSecret = 2040, Config, 400, "this is an example, not a key of yours", "fst config unset server.api_key";
    /// A setting that nothing follows yet.
    NoEffectYet = 2041, Config, 400, "the setting has no effect in this version", "nothing to do: it is kept";
    /// A setting that a running daemon does not take up.
    NeedsRestart = 2042, Config, 409, "a setting takes effect when the daemon starts anew", "fst daemon restart";
    /// File of ours damaged.
    BadState = 2002, Failed, 500, "a state file is damaged", "fst resync --full";
    /// Root missing.
    RootMissing = 3001, Failed, 409, "the folder is not there", "mount or restore it, then: fst resume PATH";
    /// Not readable.
    Unreadable = 3002, Failed, 409, "cannot be read", "change its permissions, or ignore it";
    /// Read-only root.
    ReadOnlyRoot = 3003, Failed, 409, "the folder is on a read-only disk", "remount it writable, then: fst resume PATH";
    /// No space.
    NoSpace = 3004, Failed, 507, "the disk is full", "free some space; the sync goes on by itself";
    /// Special file.
    SpecialFile = 3005, Failed, 409, "is neither file, directory nor link", "nothing to do: it stays here and is not synced";
    /// Name cannot be synced.
    BadName = 3006, Failed, 409, "the name cannot be synced", "rename it";
    /// Other I/O.
    Io = 3007, Failed, 500, "the system reported an error", "see the message; it is tried again";
    /// Locked by another process.
    Locked = 3008, Locked, 423, "another fst uses this", "fst daemon status";
    /// Ignore rules damaged.
    BadIgnoreFile = 3020, Failed, 409, "the ignore rules cannot be relied on", "correct the rule file named above, or remove it";
    /// A copy of what is not chosen is not what the server has.
    NotCleared = 3021, Failed, 409, "is not synced on this device, and not at the server as it is here: it stays", "sync it: fst select add DIR, or move it away";
    /// What was chosen has another name at the server.
    ChosenMoved = 3022, Failed, 409, "was moved at the server to where this device does not sync", "follow it: fst select add DIR";
    /// No daemon.
    NoDaemon = 3009, NoDaemon, 503, "the sync daemon is not running", "fst daemon start";
    /// A program holds a file open for writing.
    InUse = 3010, Failed, 409, "a program has this file open for writing", "nothing to do: it is synced as soon as that program closes it";
    /// Changes are not told by the system.
    NotWatched = 3011, Failed, 409, "changes are noticed only by looking at intervals", "nothing to do: the whole folder is scanned every minute or more rarely";
    /// Unreachable.
    Unreachable = 4001, Unreachable, 503, "the server does not answer", "check the address and the network; it is tried again";
    /// Something else answers.
    NotAServer = 4002, Unreachable, 502, "this address is not a FileSyncTool server", "check the URL: fst init --server URL";
    /// Plain HTTP.
    InsecureHttp = 4003, Refused, 400, "plain http is allowed on this machine only", "use https, or add --insecure-http";
    /// The key of the server is not the pinned one.
    WrongPin = 4004, Refused, 502, "the server's key is not the pinned one", "compare with the pin that 'fst-server start' prints; if it was changed on purpose: fst config set server.pin sha256:…";
    /// The certificate does not lead to a root that this device trusts.
    Untrusted = 4005, Refused, 502, "the server's certificate is not trusted", "renew it at the server; for one that the server made itself: fst config set server.pin sha256:…";
    /// Internal server error.
    ServerFailed = 5001, Failed, 500, "the server failed", "it is tried again; see the server's log";
    /// Malformed request.
    Malformed = 5002, Failed, 400, "the request is malformed", "update client and server to the same version";
    /// Conditional request failed.
    Conflict = 5003, Failed, 409, "somebody else was first", "nothing to do: it is planned again";
    /// Too large.
    TooLarge = 5004, Policy, 413, "larger than the server allows", "ask the administrator for a higher limit";
    /// Too many requests.
    RateLimited = 5005, Failed, 429, "too many requests", "wait; it is tried again";
    /// Plain path on an encrypted space.
    NeedsClient = 5006, Refused, 409, "end-to-end encrypted space: the server cannot read or write it by path", "use the fst command on a device of this account";
    /// Server shuts down.
    Stopping = 5007, Unreachable, 503, "the server is stopping", "it is tried again";
    /// The account keeps as much as it may.
    QuotaExceeded = 5008, Policy, 507, "the account keeps as much as it may", "delete what is not needed, or ask the administrator for: fst-server user quota ACCOUNT --bytes SIZE --files N; it goes on by itself";
    /// Emptied root.
    RootEmptied = 6001, Refused, 409, "the folder is suddenly empty", "if that is right: fst resume PATH --accept-deletions";
    /// Mass delete.
    MassDelete = 6002, Refused, 428, "very many files vanished at once", "if that is right: fst resume PATH --accept-deletions";
    /// Root replaced.
    RootReplaced = 6003, Refused, 409, "the folder was replaced by another one", "put the old one back, or: fst remove PATH and fst add PATH";
    /// Time-out of wait.
    WaitTimedOut = 6004, TimedOut, 408, "not synced in time", "fst status";
    /// A file of a conflict is not as it was synced.
    ConflictChanged = 6010, Refused, 409, "a file of this conflict changed meanwhile", "fst wait --synced, then try again";
    /// No clean merge.
    NotMergeable = 6011, Refused, 409, "both sides cannot be merged cleanly", "fst conflicts merge ID --editor EDITOR, or fst conflicts resolve ID --choose local";
    /// A restore would write over an edit that nobody else has yet.
    Unsynced = 6021, Refused, 409, "what lies there is not synced yet", "fst wait --synced, then run it again";
    /// Something is in the way.
    InTheWay = 6022, Refused, 409, "something else is in the way", "move it away, or restore elsewhere with --to DIR";
    /// An undo would overwrite what was changed since.
    ChangedSince = 6023, Refused, 409, "something was changed since that operation", "fst op show OP";
    /// There is no way back.
    NotUndoable = 6024, Refused, 409, "this operation cannot be undone", "fst op show OP";
    /// Rolled back.
    Rollback = 7001, Damage, 409, "the server went back in time", "restore the server's newest state; local files are untouched";
    /// Fork.
    Fork = 7002, Damage, 409, "the server shows a different history than before", "keep the evidence file; local files are untouched";
    /// Invalid log.
    InvalidLog = 7003, Damage, 409, "the server's log breaks a rule", "keep the evidence file; local files are untouched";
    /// Cannot decrypt.
    CannotOpen = 7004, WrongKey, 409, "sealed data does not open", "keep the evidence file; local files are untouched";
    /// A backup or a restore that was not finished.
    CutShort = 7005, Damage, 409, "a backup or a restore was cut short", "run the same fst-server command again";
    /// A server's data, or a backup of it, is not as it was written.
    DataDamaged = 7006, Damage, 500, "stored data is damaged", "fst-server verify --deep names what is; restore it from a backup";
    /// The server's storage lacks what it acknowledged. A 5xx: a device tries again, a disk may come back.
    DataLost = 7007, Damage, 500, "the server's storage lacks data that it acknowledged", "bring the server's storage back, or restore it from a backup; fst-server verify names what is missing";
    /// Internal.
    Internal = 9001, Failed, 500, "an internal error", "report it with the message above";
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FST-{:04}", self.number())
    }
}

/// A problem document (RFC 9457) as our server sends it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// URI of the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// Title of the code.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened here.
    pub detail: String,
    /// `FST-nnnn`.
    pub code: String,
    /// What to do next.
    pub next: String,
    /// Present when a commit was refused on its merits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub conflict: Option<crate::wire::Conflict>,
}

impl Problem {
    /// A problem of this code with its particulars.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("https://docs.filesynctool.io/errors/{code}"),
            title: code.title().to_owned(),
            status: code.http_status(),
            detail: detail.into(),
            code: code.to_string(),
            next: code.next_step().to_owned(),
            conflict: None,
        }
    }

    /// The code, if this program knows it.
    #[must_use]
    pub fn error_code(&self) -> Option<ErrorCode> {
        ErrorCode::ALL
            .iter()
            .copied()
            .find(|code| code.to_string() == self.code)
    }
}
