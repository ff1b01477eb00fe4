/**
 * The exit codes: one for each kind of failure, in one table, which `docs/cli.md` prints and the tests go through.
 */

/** What a code means, and the tags of the errors that lead to it. Errors that are in no row are `failed`. */
export interface Exit {
  readonly code: number
  readonly meaning: string
  readonly errors: ReadonlyArray<string>
}

/** Every exit code. */
export const exits = {
  ok: { code: 0, meaning: "It was done.", errors: [] },
  failed: { code: 1, meaning: "It failed in another way than those below; the message says how.", errors: [] },
  usage: {
    code: 2,
    meaning: "The command line, a setting or a file of settings is wrong. Nothing was started.",
    errors: [
      "OptionsError",
      "NetworkKeyError",
      "NetworkKeysError",
      "DiscoveryError",
      "DuplicateFunctionError",
      "NotJsonError",
      "InvalidArgumentsError",
      "TrustFileError",
      "IdentityFileError",
      "AllowListError",
      "AuthorityError",
      "InvalidPublicationError",
      "TopicTooLargeError",
      "SourceError",
      "FolderError"
    ]
  },
  notFound: {
    code: 3,
    meaning: "There is no such peer, or it has no such function or topic.",
    errors: ["PeerUnknownError", "UnknownFunctionError", "NotReceivingError"]
  },
  refused: {
    code: 4,
    meaning: "A trust policy refuses the peer or this node, or the function does not allow the call.",
    errors: ["NotAllowedError", "UntrustedPeerError", "DeclinedError"]
  },
  theirs: {
    code: 5,
    meaning: "The function ran, and failed with an error of its own, or broke.",
    errors: ["RemoteError", "RemoteDefectError", "ContractError"]
  },
  unreachable: {
    code: 6,
    meaning: "The peer cannot be reached, has no room, or was lost before it was done.",
    errors: [
      "DialError",
      "ReachError",
      "PeerLostError",
      "ProtocolError",
      "StreamResetError",
      "OverloadedError",
      "TopicFullError",
      "PeerAwayError",
      "SenderGone",
      "PostError",
      "MailboxError",
      "KeepError",
      "ReplayError",
      "DurableTopicsError"
    ]
  },
  timeout: { code: 7, meaning: "Time was up.", errors: ["DeadlineError", "TimeoutError"] },
  conflict: {
    code: 8,
    meaning: "A name or a key is in use: by another process, or by several nodes.",
    errors: ["NameConflictError", "KeyHeldError", "ListenError"]
  },
  partly: { code: 9, meaning: "Of several peers some did it, and some did not.", errors: [] },
  doubtful: {
    code: 10,
    meaning: "Nothing is wrong that keeps nodes apart, and something may be: `doctor` has found a warning.",
    errors: []
  },
  interrupted: {
    code: 130,
    meaning: "It was interrupted, by Ctrl-C or a signal, and has said that it leaves.",
    errors: []
  }
} as const satisfies Record<string, Exit>

/** The name of an exit code. */
export type ExitName = keyof typeof exits

const byTag = new Map(
  (Object.keys(exits) as ReadonlyArray<ExitName>).flatMap((name) =>
    exits[name].errors.map((tag): [string, ExitName] => [tag, name])
  )
)

/** The exit code that an error leads to, by its tag. */
export const exitOf = (tag: string | undefined): ExitName =>
  (tag === undefined ? undefined : byTag.get(tag)) ?? "failed"
