/**
 * Trust in files: known peers, which a node pins by itself as SSH does, and allow lists, which people write. Both are text, one
 * name and its public key on each line; both are read again when they change, while nodes run, and a peer that is refused from
 * then on loses its sessions at once.
 *
 *     # Comments begin with #. A name with blanks stands in double quotes.
 *     alice hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo=
 *     "living room" 3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08=   # the old laptop
 *
 * In a file of known peers, besides:
 *
 *     bob mJ-lYKDhCg_ePPPFVZ7Vq3HW4JbJqyLnJzXyUuV1mXI= # from 10.0.0.7     (it connected from there; nobody has vouched for it)
 *     @revoked B8dCVvrxLvrFFBGbMJN0nTUC_hyDlcGjXvDLBCgFoH4=               (refused under any name)
 *
 * What bites:
 *
 * - A change is looked for every second, by the file's identity, size and time, and by its contents while those are recent; so
 *   one that is replaced is noticed as well as one that is written to. There is nothing to signal.
 * - New contents that are malformed are logged, and those before them go on to hold; so they do when the file is taken
 *   away. At the start both are errors.
 * - To take a line out of the known peers is to forget that peer: the next key that proves itself under its name has the name.
 *   To refuse a key, revoke it.
 * - A file that anybody may write is refused, and so is one that belongs to another user than that of the process or root (not on
 *   Windows, where mode and owner say nothing).
 *
 * @since 0.1.0
 */
import * as AllowListTrust from "@pnet/core/AllowListTrust"
import * as Authority from "@pnet/core/Authority"
import * as AuthorityTrust from "@pnet/core/AuthorityTrust"
import type { Crypto } from "@pnet/core/Crypto"
import * as TofuTrust from "@pnet/core/TofuTrust"
import * as Trust from "@pnet/core/Trust"
import * as Why from "@pnet/core/Why"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Files from "./internal/files.ts"
import { exclusive } from "./internal/lockFile.ts"
import { put } from "./internal/replaceFile.ts"
import { allowEdited, allowHeader, edited, header, type Kind, parse, type Parsed } from "./internal/trustText.ts"

// ---------------------------------------------------------------------------------------------------------------------
// errors
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A line of the file cannot be understood. Lines count from 1; `problem` says what is wrong with it.
 *
 * @category errors
 * @since 0.1.0
 */
export class TrustFileMalformed extends Schema.TaggedError<TrustFileMalformed>(
  "@pnet/node/NodeTrust/TrustFileMalformed"
)("TrustFileMalformed", {
  line: Schema.Number,
  problem: Schema.String,
  /** What is expected there, where that is not a name and its key. */
  expected: Schema.optionalKey(Schema.String)
}) {}

/**
 * Anybody may write the file, or another user, `owner`, may, and so decide who is trusted. `mode` has the permission bits.
 *
 * @category errors
 * @since 0.1.0
 */
export class TrustFileExposed extends Schema.TaggedError<TrustFileExposed>("@pnet/node/NodeTrust/TrustFileExposed")(
  "TrustFileExposed",
  { mode: Schema.Number, owner: Schema.optionalKey(Schema.Number) }
) {}

/**
 * There is no file, or there is none any more.
 *
 * @category errors
 * @since 0.1.0
 */
export class TrustFileMissing
  extends Schema.TaggedError<TrustFileMissing>("@pnet/node/NodeTrust/TrustFileMissing")("TrustFileMissing", {})
{}

/**
 * The system refused something. `operation` says what was tried: `read`, `write`.
 *
 * @category errors
 * @since 0.1.0
 */
export class TrustFileUnusable extends Schema.TaggedError<TrustFileUnusable>("@pnet/node/NodeTrust/TrustFileUnusable")(
  "TrustFileUnusable",
  { operation: Schema.Literals(["read", "write"]), cause: Schema.Defect() }
) {}

const explained = {
  TrustFileMalformed: "trust-malformed",
  TrustFileExposed: "trust-exposed",
  TrustFileMissing: "trust-missing",
  TrustFileUnusable: "trust-disk"
} as const

const sentence = (path: string, reason: TrustFileError["reason"]): string => {
  switch (reason._tag) {
    case "TrustFileMalformed":
      return `${path}, line ${reason.line}: ${reason.problem}; expected ${
        reason.expected ??
          "a name and its public key, such as: alice hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo="
      }`
    case "TrustFileExposed":
      if (reason.owner !== undefined) {
        return `${path} belongs to user ${reason.owner}, who may decide who is trusted, and was refused; look through it, and ` +
          `run: chown ${process.geteuid?.()} ${path}`
      }
      return `${path} has mode ${
        reason.mode.toString(8).padStart(4, "0")
      }, so that anybody may decide who is trusted, and ` +
        `was refused; look through it, and run: chmod 600 ${path}`
    case "TrustFileMissing":
      return `${path} does not exist; correct the path, or make the file: of lists an empty one is one of nobody`
    case "TrustFileUnusable":
      return `${path} could not be ${reason.operation === "read" ? "read" : "written"}: ${Files.reasonOf(reason.cause)}`
  }
}

/**
 * Why the trust file at `path` cannot be used.
 *
 * @category errors
 * @since 0.1.0
 */
export class TrustFileError extends Schema.TaggedError<TrustFileError>("@pnet/node/NodeTrust/TrustFileError")(
  "TrustFileError",
  {
    path: Schema.String,
    reason: Schema.Union([TrustFileMalformed, TrustFileExposed, TrustFileMissing, TrustFileUnusable])
  }
) {
  override get message() {
    return Why.see(sentence(this.path, this.reason), explained[this.reason._tag])
  }
}

type Reason = TrustFileError["reason"]

// ---------------------------------------------------------------------------------------------------------------------
// the file
// ---------------------------------------------------------------------------------------------------------------------

// 4,096 lines of the longest names are half of it.
const maximumSize = 1_048_576

// A file may be written to twice within what its system takes for one moment: until it has aged, only its contents tell.
const settledAfter = 3_000

interface Contents {
  readonly bytes: Buffer
  /** Tells one state of the file from another. */
  readonly stamp: string
  /** Whether the stamp is old enough to be relied on. */
  readonly settled: boolean
}

const unusable = (operation: TrustFileUnusable["operation"]) => (cause: PlatformError.PlatformError): Reason =>
  Files.isAbsent(cause) && operation === "read" ? new TrustFileMissing() : new TrustFileUnusable({ operation, cause })

/** What is in the file; `undefined` where it is as it was at the stamp. */
const read = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  path: string,
  known: Contents | undefined
): Effect.fn.Return<Contents | undefined, Reason> {
  const judge = Effect.fnUntraced(function*(info: FileSystem.File.Info) {
    if (info.type !== "File") {
      return yield* new TrustFileMalformed({ line: 1, problem: `it is not a file but a ${info.type}` })
    }
    const mode = info.mode & 0o7777
    if (Files.modeIsMeaningful && (mode & 0o002) !== 0) return yield* new TrustFileExposed({ mode })
    const owner = Files.strangerOf(info)
    if (owner !== undefined) return yield* new TrustFileExposed({ mode, owner })
  })
  const stampOf = (info: FileSystem.File.Info) =>
    [
      info.dev,
      Option.getOrUndefined(info.ino),
      info.size,
      Option.getOrUndefined(info.mtime)?.getTime(),
      info.mode,
      Option.getOrUndefined(info.uid)
    ].join(":")
  return yield* Effect.gen(function*() {
    // Before it is opened, which of a pipe would wait for a writer; and then again, for what was opened.
    const there = yield* fs.stat(path)
    if (known !== undefined && known.settled && known.stamp === stampOf(there)) return undefined
    yield* judge(there)
    const file = yield* fs.open(path, { flag: "r" })
    const info = yield* file.stat
    yield* judge(info)
    const now = yield* Clock.currentTimeMillis
    const modified = Option.getOrUndefined(info.mtime)?.getTime()
    const stamp = stampOf(info)
    const chunks: Array<Uint8Array> = []
    let length = 0
    while (length <= maximumSize) {
      const chunk = yield* file.readAlloc(65_536)
      if (Option.isNone(chunk)) break
      length += chunk.value.length
      chunks.push(chunk.value)
    }
    if (length > maximumSize) {
      return yield* new TrustFileMalformed({ line: 1, problem: `the file is longer than ${maximumSize} bytes` })
    }
    return {
      bytes: Buffer.concat(chunks),
      stamp,
      settled: modified !== undefined && now - modified > settledAfter
    }
  }).pipe(
    Effect.scoped,
    Effect.catchTag("PlatformError", (error) => Effect.fail(unusable("read")(error)))
  )
})

// Not every program puts a whole file in the place of another: what has just changed may be half written.
const writtenWithin = 100

/** A file of names and keys that is read again when it has changed. */
const follow = (fs: FileSystem.FileSystem, path: string, kind: Kind) =>
  followed(
    fs,
    path,
    ({ bytes }) =>
      Effect.mapError(Effect.fromResult(parse(bytes, kind)), (malformed) => new TrustFileMalformed(malformed))
  )

/** A file that is read again when it has changed. */
const followed = <P>(
  fs: FileSystem.FileSystem,
  path: string,
  understood: (contents: Contents) => Effect.Effect<P, Reason>
) => {
  let known: Contents | undefined
  // An environment that lacks a variable gives `undefined`, which types do not see and the error is to show.
  const failed = Effect.mapError((reason: Reason) => new TrustFileError({ path: String(path), reason }))
  /** The contents now, whatever they were before. */
  const load = Effect.gen(function*() {
    const contents = (yield* read(fs, path, undefined))!
    const parsed = yield* understood(contents)
    known = contents
    return parsed
  })
  /** The contents, if they are others than those that were last loaded. */
  const reload = Effect.gen(function*() {
    const contents = yield* read(fs, path, known)
    if (contents === undefined) return undefined
    if (known !== undefined && known.bytes.equals(contents.bytes)) {
      known = contents
      return undefined
    }
    yield* Effect.sleep(writtenWithin)
    const again = (yield* read(fs, path, undefined))!
    if (!again.bytes.equals(contents.bytes)) return undefined
    const parsed = yield* understood(contents)
    known = contents
    return parsed
  })
  return { failed, load, reload }
}

// ---------------------------------------------------------------------------------------------------------------------
// known peers
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The known peers in the file at `path`, for `TofuTrust.makeStored`. The file is made where there is none, with mode 0600, and
 * the folders it is in; each save puts a whole new file in its place, which keeps comments and the order of the lines. Several
 * programs may use one file: none loses what another has pinned.
 *
 * @category constructors
 * @since 0.1.0
 */
export const knownPeersStore = (
  path: string
): Effect.Effect<TofuTrust.PinStore<TrustFileError>, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const { failed, load, reload } = follow(fs, path, "known peers")
    const exclusively = exclusive(fs, path)
    const writing = Effect.mapError((error: Reason | PlatformError.PlatformError): Reason =>
      error._tag === "PlatformError" ? unusable("write")(error) : error
    )
    let last: Parsed["lines"] = []
    const remember = <P extends Parsed | undefined>(parsed: P): P => {
      if (parsed !== undefined) last = parsed.lines
      return parsed
    }
    const text = (lines: Parsed["lines"]) => `${lines.map((line) => line.text).join("\n")}\n`
    const create = (lines: ReadonlyArray<string>) =>
      writing(Effect.andThen(
        Files.makeFolder(fs, paths, paths.dirname(path)),
        put(fs, paths, path, text(lines.map((line) => ({ text: line, name: undefined }))), "create")
      ))
    return {
      load: load.pipe(
        Effect.catchTag("TrustFileMissing", () => Effect.andThen(create(header), load)),
        Effect.catchTag("TrustFileMissing", () =>
          new TrustFileUnusable({
            operation: "write",
            cause: new Error("it was created, and is gone again; or the path is a symbolic link to nothing")
          })),
        Effect.map(remember),
        failed
      ),
      reload: reload.pipe(
        // An editor may be about to put another there, which is not to be overwritten.
        Effect.catchTag(
          "TrustFileMissing",
          () =>
            Effect.logWarning(`${path} is gone, and is written again as it was; to forget all peers, empty it`).pipe(
              Effect.andThen(create(last.map((line) => line.text))),
              Effect.andThen(load)
            )
        ),
        Effect.map(remember),
        failed
      ),
      save: (edit) =>
        exclusively(
          Effect.gen(function*() {
            const now = yield* load
            const next = edited(now, edit)
            if (next === text(now.lines)) return remember(now)
            yield* put(fs, paths, path, next, "replace")
            return remember(yield* load)
          })
        ).pipe(writing, failed)
    }
  })

/**
 * Options of `layerKnownPeers`.
 *
 * @category models
 * @since 0.1.0
 */
export interface KnownPeersOptions extends TofuTrust.StoredOptions {}

/**
 * Trust on first use, with the pins in the file at `path`, as SSH has its known hosts. What is pinned is in the file within a
 * second; what is changed in the file applies within a second, and a peer whose key is another there, or revoked, loses its
 * sessions.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerKnownPeers = (
  path: string,
  options?: KnownPeersOptions
): Layer.Layer<Trust.Trust, TrustFileError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    Trust.Trust,
    Effect.flatMap(knownPeersStore(path), (store) => TofuTrust.makeStored(store, options))
  )

// ---------------------------------------------------------------------------------------------------------------------
// allow lists
// ---------------------------------------------------------------------------------------------------------------------

/**
 * An allow list in a file, for programs that read and change it.
 *
 * @category models
 * @since 0.2.0
 */
export interface AllowListStore {
  /** Who is on the list. */
  readonly load: Effect.Effect<ReadonlyArray<AllowListTrust.Entry>, TrustFileError>
  /**
   * Puts entries on it, in the place of those of their names, and takes names off, and gives who is on it then. Comments and the order stay. The file is made
   * where there is none.
   */
  readonly save: (edit: {
    readonly allowed?: ReadonlyArray<AllowListTrust.Entry> | undefined
    readonly removed?: ReadonlyArray<string> | undefined
  }) => Effect.Effect<ReadonlyArray<AllowListTrust.Entry>, TrustFileError | AllowListTrust.AllowListError>
}

const entriesOf = ({ pins, rights }: Parsed): ReadonlyArray<AllowListTrust.Entry> =>
  pins.map(({ name, publicKey }) => [name, publicKey, rights.get(name)])

/**
 * The allow list in the file at `path`, to be read and changed by a program of the operator's: each save puts a whole new file in its place, which those who
 * follow it read within a second. One program writes at a time.
 *
 * @category constructors
 * @since 0.2.0
 */
export const allowListStore = (
  path: string
): Effect.Effect<AllowListStore, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const { failed, load } = follow(fs, path, "allow list")
    const exclusively = exclusive(fs, path)
    const writing = Effect.mapError((error: Reason | PlatformError.PlatformError): Reason =>
      error._tag === "PlatformError" ? unusable("write")(error) : error
    )
    const header = { lines: allowHeader.map((text) => ({ text, name: undefined })) }
    return {
      load: failed(Effect.map(load, entriesOf)),
      save: ({ allowed = [], removed = [] }) =>
        // Names and keys that are none are not written.
        Effect.andThen(
          AllowListTrust.make(allowed),
          Effect.andThen(
            Files.makeFolder(fs, paths, paths.dirname(path)),
            exclusively(Effect.gen(function*() {
              const now = yield* Effect.catchTag(load, "TrustFileMissing", () => Effect.undefined)
              const text = allowEdited(now ?? header, allowed, removed)
              yield* put(fs, paths, path, text, now === undefined ? "create" : "replace")
              return entriesOf(yield* load)
            }))
          ).pipe(writing, failed)
        )
    }
  })

/**
 * Options of `layerAllowListFile`.
 *
 * @category models
 * @since 0.1.0
 */
export interface AllowListOptions {
  /** How often it is looked for a change of the file. Default 1 second. */
  readonly interval?: Duration.Input | undefined
}

/**
 * The allow list in the file at `path`, followed until the scope closes. Whoever is not on it any more loses its sessions.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeAllowListFile = (
  path: string,
  options?: AllowListOptions
): Effect.Effect<AllowListTrust.AllowList, TrustFileError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function*() {
    const { failed, load, reload } = follow(yield* FileSystem.FileSystem, path, "allow list")
    // Names and keys have been checked.
    const list = yield* Effect.orDie(AllowListTrust.make([]))
    const set = (parsed: Parsed) => Effect.orDie(list.set(entriesOf(parsed)))
    yield* failed(Effect.flatMap(load, set))
    // A state that lasts is said once.
    let told = ""
    const step = failed(
      Effect.flatMap(reload, (parsed) => parsed === undefined ? Effect.void : set(parsed))
    ).pipe(
      Effect.matchEffect({
        onFailure: ({ message }) =>
          Effect.suspend(() => {
            if (message === told) return Effect.void
            told = message
            return Effect.logWarning(`the allow list stays as it was: ${message}`)
          }),
        onSuccess: () =>
          Effect.suspend(() => {
            if (told === "") return Effect.void
            told = ""
            return Effect.logInfo(`the allow list of ${path} is followed again`)
          })
      })
    )
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(options?.interval ?? "1 second"), step)))
    return list
  })

/**
 * Only the peers that are listed in the file at `path`, each with its key, and behind that with what it may do where that is not to
 * call everything by name: `worker-1 KEY roles=worker serves=resize.* subscribes=build.*`. The file has to be there at the start.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAllowListFile = (
  path: string,
  options?: AllowListOptions
): Layer.Layer<Trust.Trust, TrustFileError, FileSystem.FileSystem> =>
  Layer.effect(Trust.Trust, makeAllowListFile(path, options))

// ---------------------------------------------------------------------------------------------------------------------
// authorities
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Options of `layerAuthority`.
 *
 * @category models
 * @since 0.2.0
 */
export interface AuthorityOptions {
  /** The network of the nodes that use the policy. */
  readonly networkId: string
  /** The file with the node's own certificate, as `Authority.toText` writes it. It has to be there at the start, and is followed. */
  readonly certificateFile?: string | undefined
  /**
   * The file with the list of revocations. It need not be there; it is followed, and what peers have that is newer is written to it, so
   * that a node which starts anew knows of it.
   */
  readonly revocationsFile?: string | undefined
  /** How often it is looked for a change of the files. Default 1 second. */
  readonly interval?: Duration.Input | undefined
}

/** The one line of a file that is no comment. */
const oneLine = (expected: string) => ({ bytes }: Contents): Effect.Effect<string, Reason> => {
  const lines = bytes.toString("utf8").split("\n").map((text, i) => ({ text: text.trim(), line: i + 1 })).filter(
    ({ text }) => text !== "" && !text.startsWith("#")
  )
  const [first, second] = lines
  return first !== undefined && second === undefined
    ? Effect.succeed(first.text)
    : Effect.fail(
      new TrustFileMalformed({
        line: second?.line ?? 1,
        problem: first === undefined ? "there is nothing in it but comments" : "there is more than one line in it",
        expected
      })
    )
}

const expectedText = {
  key: "one line with the public key of an authority, which begins with ed25519:",
  certificate: "one line with the base64url text of a certificate",
  revocations: "one line with the base64url text of a list of revocations"
} as const

/** Says once what keeps it from following a file, and that it follows it again. */
const telling = (what: string) => {
  let told = ""
  return <E extends { readonly message: string }>(step: Effect.Effect<void, E>): Effect.Effect<void> =>
    Effect.matchEffect(step, {
      onFailure: ({ message }) =>
        Effect.suspend(() => {
          if (message === told) return Effect.void
          told = message
          return Effect.logWarning(`${what} stays as it was: ${message}`)
        }),
      onSuccess: () =>
        Effect.suspend(() => {
          if (told === "") return Effect.void
          told = ""
          return Effect.logInfo(`${what} is followed again`)
        })
    })
}

/**
 * The policy by an authority whose public key is a text that begins with `ed25519:`, or in the file at that path. Its certificate and
 * its list of revocations are in files, which are followed until the scope closes: a certificate that is put in the place of the one
 * before is shown to peers within about a second, and a list goes on from there to all nodes.
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeAuthority = (
  key: string,
  options: AuthorityOptions
): Effect.Effect<
  AuthorityTrust.ByAuthority,
  TrustFileError | Authority.AuthorityError,
  FileSystem.FileSystem | Path.Path | Crypto | Scope.Scope
> =>
  Effect.gen(function*() {
    const { certificateFile, networkId, revocationsFile } = options
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const keyFile = followed(fs, key, oneLine(expectedText.key))
    const publicKey = key.startsWith("ed25519:") ? key : yield* keyFile.failed(keyFile.load)
    const certificates = certificateFile === undefined
      ? undefined
      : followed(fs, certificateFile, oneLine(expectedText.certificate))
    const lists = revocationsFile === undefined
      ? undefined
      : followed(fs, revocationsFile, oneLine(expectedText.revocations))
    const none = <A>(loading: Effect.Effect<A, Reason>) =>
      Effect.catchTag(loading, "TrustFileMissing", () => Effect.undefined)
    const certificate = certificates === undefined ? undefined : yield* certificates.failed(certificates.load)
    const list = lists === undefined ? undefined : yield* lists.failed(none(lists.load))
    const policy = yield* AuthorityTrust.make(publicKey, { networkId, certificate, revocations: list })

    let written = yield* policy.revocations
    const write = Effect.gen(function*() {
      const now = yield* policy.revocations
      if (revocationsFile === undefined || now === undefined || now === written) return
      const text = `# What the authority has revoked. A newer list may be put here at any time.\n${
        Authority.toText(now)
      }\n`
      yield* Effect.mapError(put(fs, paths, revocationsFile, text, "replace"), (error) =>
        new TrustFileError({ path: revocationsFile, reason: unusable("write")(error) }))
      written = now
    })
    const steps = [
      ...certificates === undefined ? [] : [
        telling("the node's certificate")(
          Effect.flatMap(
            certificates.failed(certificates.reload),
            (text) =>
              text === undefined ? Effect.void : policy.renew(text)
          )
        )
      ],
      ...lists === undefined ? [] : [
        telling("the list of revocations")(
          Effect.flatMap(
            lists.failed(none(lists.reload)),
            (text) =>
              text === undefined ? Effect.void : Effect.map(policy.revoke(text), (newer) => {
                // An older one, in whose place goes what holds.
                if (!newer) written = undefined
              })
          ).pipe(Effect.andThen(write))
        )
      ]
    ]
    if (steps.length > 0) {
      const step = Effect.all(steps, { discard: true })
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(options.interval ?? "1 second"), step)))
    }
    return policy
  })

/**
 * `makeAuthority` as a layer.
 *
 * ```ts
 * NodePnet.layerWithTrust(NodeTrust.layerAuthority("/etc/pnet/authority.pub", {
 *   networkId: "home",
 *   certificateFile: "/etc/pnet/certificate"
 * }))
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layerAuthority = (
  key: string,
  options: AuthorityOptions
): Layer.Layer<
  Trust.Trust | AuthorityTrust.AuthorityTrust,
  TrustFileError | Authority.AuthorityError,
  FileSystem.FileSystem | Path.Path | Crypto
> =>
  Layer.effectContext(
    Effect.map(
      makeAuthority(key, options),
      (policy) => Context.make(Trust.Trust, policy).pipe(Context.add(AuthorityTrust.AuthorityTrust, policy))
    )
  )
