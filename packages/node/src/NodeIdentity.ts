/**
 * A node's identity in a file, made at the first start and read at every later one.
 *
 * The easy way is a folder of them, with a file for each node by its name: `NodePnet.layerKeys(folder)`, which is `layerFolder` here.
 *
 * The file is text: lines that begin with `#` are comments, and the one other line is the secret as base64url.
 *
 *     # The secret key of a pnet node: whoever reads it can pose as this node.
 *     # Public key: hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo=
 *     dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=
 *
 * What bites:
 *
 * - A file that anyone but its owner may read, write or run is refused, and so is one that belongs to another user than that of the
 *   process or root (not on Windows, where mode and owner say nothing).
 * - A file is made with mode 0600 under a name of its own, synced, and only then put in its place. So there is never
 *   half a file, and of several processes that start at once the first makes the key and all others read it.
 * - Two nodes that run at the same time need two files. Whoever takes the key for a node holds it until the node ends (`layerFolder`,
 *   `layerFile`, `holdFile`), and another process of this machine, or another node of this one, is refused it with `IdentityFileInUse`.
 *   It is the key that is held and not the file, so that a copy of it does not help; and the system gives it back when the process ends,
 *   however it ends. Containers see each other's only where they share the network; `fromFile` alone does not hold anything.
 *
 * @since 0.1.0
 */
import * as Crypto from "@pnet/core/Crypto"
import * as Identity from "@pnet/core/Identity"
import type { NodeName } from "@pnet/core/Packet"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Why from "@pnet/core/Why"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { createHash, createHmac } from "node:crypto"
import * as Files from "./internal/files.ts"
import * as Hold from "./internal/hold.ts"

/**
 * The file may be read, written or run by others than its owner, or its owner is another user. `mode` has the permission bits,
 * `owner` the other user's number, and `created` says that it was made a moment ago, with mode 0600: its file system keeps none.
 *
 * @category errors
 * @since 0.1.0
 */
export class IdentityFileExposed extends Schema.TaggedError<IdentityFileExposed>(
  "@pnet/node/NodeIdentity/IdentityFileExposed"
)("IdentityFileExposed", {
  mode: Schema.Number,
  owner: Schema.optionalKey(Schema.Number),
  created: Schema.optionalKey(Schema.Boolean)
}) {}

/**
 * The key in the file is held by another process of this machine, or by another node of this one.
 *
 * @category errors
 * @since 0.1.0
 */
export class IdentityFileInUse extends Schema.TaggedError<IdentityFileInUse>(
  "@pnet/node/NodeIdentity/IdentityFileInUse"
)("IdentityFileInUse", {}) {}

/**
 * The file holds something else than one secret. `problem` says what, never showing any of it.
 *
 * @category errors
 * @since 0.1.0
 */
export class IdentityFileMalformed extends Schema.TaggedError<IdentityFileMalformed>(
  "@pnet/node/NodeIdentity/IdentityFileMalformed"
)("IdentityFileMalformed", { problem: Schema.String }) {}

/**
 * There is no file, and none was to be made.
 *
 * @category errors
 * @since 0.1.0
 */
export class IdentityFileMissing extends Schema.TaggedError<IdentityFileMissing>(
  "@pnet/node/NodeIdentity/IdentityFileMissing"
)("IdentityFileMissing", {}) {}

/**
 * The system refused something. `operation` says what was tried: `read`, `create`.
 *
 * @category errors
 * @since 0.1.0
 */
export class IdentityFileUnusable extends Schema.TaggedError<IdentityFileUnusable>(
  "@pnet/node/NodeIdentity/IdentityFileUnusable"
)("IdentityFileUnusable", {
  operation: Schema.Literals(["read", "create"]),
  cause: Schema.Defect()
}) {}

const octal = (mode: number): string => mode.toString(8).padStart(4, "0")

const explained = {
  IdentityFileExposed: "identity-exposed",
  IdentityFileInUse: "identity-in-use",
  IdentityFileMalformed: "identity-malformed",
  IdentityFileMissing: "identity-missing",
  IdentityFileUnusable: "identity-disk"
} as const

const sentence = (path: string, reason: IdentityFileError["reason"]): string => {
  switch (reason._tag) {
    case "IdentityFileExposed":
      if (reason.owner !== undefined) {
        return `the identity file ${path} belongs to user ${reason.owner}, who may read and change it, and was refused; ` +
          `if nobody else has read it, run: chown ${process.geteuid?.()} ${path}`
      }
      if (reason.created === true) {
        return `the identity file ${path} was made with mode 0600 and has mode ${
          octal(reason.mode)
        }: its file system ` +
          "does not keep modes, so others may use it, and it was refused; put it on one that does, or mount that with umask=077"
      }
      return `the identity file ${path} has mode ${octal(reason.mode)}, so others than its owner may use it, ` +
        `and was refused; run: chmod 600 ${path} (and delete the file instead if others may have read it)`
    case "IdentityFileInUse":
      return `the key in the identity file ${path} is in use, by another process or another node of this one, and two nodes ` +
        "must not run with one key; stop the other, or give each node a name and a file of its own, as " +
        "NodePnet.layerKeys(folder) does by the name (also each worker of a cluster)"
    case "IdentityFileMalformed":
      return `the identity file ${path} was refused: ${reason.problem}; expected one line with the base64url text of ` +
        "32 bytes, besides comments; restore it from a backup, or delete it to become a new identity"
    case "IdentityFileMissing":
      return `the identity file ${path} does not exist, and is not to be created; correct the path, or mount the volume that ` +
        "it is on; or let it be made, once, with create: true"
    case "IdentityFileUnusable":
      return `the identity file ${path} could not be ${reason.operation === "read" ? "read" : "created"}: ${
        Files.reasonOf(reason.cause)
      }`
  }
}

/**
 * Why the identity file at `path` cannot be used. No reason holds anything of the file.
 *
 * @category errors
 * @since 0.1.0
 */
export class IdentityFileError extends Schema.TaggedError<IdentityFileError>(
  "@pnet/node/NodeIdentity/IdentityFileError"
)("IdentityFileError", {
  path: Schema.String,
  reason: Schema.Union([
    IdentityFileExposed,
    IdentityFileInUse,
    IdentityFileMalformed,
    IdentityFileMissing,
    IdentityFileUnusable
  ])
}) {
  override get message() {
    return Why.see(sentence(this.path, this.reason), explained[this.reason._tag])
  }
}

/**
 * Options of `fromFile`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Whether to make the file, and the folders it is in, where there is none. By default `true`. */
  readonly create?: boolean | undefined
}

/**
 * Options of `holdFile`, and of the layers.
 *
 * @category models
 * @since 0.1.0
 */
export interface HoldOptions extends Options {
  /** How long it waits for another process that has the key, which may be ending. Default 5 seconds. */
  readonly patience?: Duration.Input | undefined
}

// A file with its comments is some 200 bytes. What is much longer is something else.
const maximumSize = 4_096

const textOf = (keyPair: Crypto.KeyPair): string =>
  [
    "# The secret key of a pnet node: whoever reads it can pose as this node.",
    `# Public key: ${keyPair.publicKey}`,
    Redacted.value(Identity.exportSecret(keyPair)),
    ""
  ].join("\n")

const parse = Effect.fnUntraced(function*(
  text: string
): Effect.fn.Return<Crypto.KeyPair, IdentityFileMalformed, Crypto.Crypto> {
  // Editors on Windows may begin the file with a mark, which is three letters here.
  const lines = text.replace(/^\u00ef\u00bb\u00bf/, "").split(/\r?\n/).filter((line) =>
    line !== "" && !line.startsWith("#")
  )
  const [secret] = lines
  if (secret === undefined) return yield* new IdentityFileMalformed({ problem: "it holds no secret" })
  if (lines.length > 1) {
    return yield* new IdentityFileMalformed({ problem: `it holds ${lines.length} lines besides comments` })
  }
  return yield* Identity.fromSecret(Redacted.make(secret)).pipe(
    Effect.mapError((error) =>
      new IdentityFileMalformed({
        problem: error.kind === "Encoding"
          ? "its secret is not canonical base64url"
          : `its secret is ${error.length} bytes`
      })
    )
  )
})

const unusable = (operation: IdentityFileUnusable["operation"]) => (cause: PlatformError.PlatformError) =>
  new IdentityFileUnusable({ operation, cause })

/** The key pair in the file, or none where there is no file. The mode is that of the file that is read. */
const read = Effect.fnUntraced(function*(path: string): Effect.fn.Return<
  Option.Option<Crypto.KeyPair>,
  IdentityFileError["reason"],
  Crypto.Crypto | FileSystem.FileSystem
> {
  const fs = yield* FileSystem.FileSystem
  const judge = Effect.fnUntraced(function*(info: FileSystem.File.Info) {
    if (info.type !== "File") {
      return yield* new IdentityFileMalformed({ problem: `it is not a file but a ${info.type}` })
    }
    const mode = info.mode & 0o7777
    if (Files.modeIsMeaningful && (mode & 0o077) !== 0) return yield* new IdentityFileExposed({ mode })
    const owner = Files.strangerOf(info)
    if (owner !== undefined) return yield* new IdentityFileExposed({ mode, owner })
    if (Number(info.size) > maximumSize) {
      return yield* new IdentityFileMalformed({ problem: `it is ${info.size} bytes long, over ${maximumSize}` })
    }
  })
  const text = yield* Effect.gen(function*() {
    // Before it is opened, which of a pipe would wait for a writer; and then again, for what was opened.
    yield* judge(yield* fs.stat(path))
    const file = yield* fs.open(path, { flag: "r" })
    yield* judge(yield* file.stat)
    const chunks: Array<Uint8Array> = []
    for (let length = 0; length <= maximumSize;) {
      const chunk = yield* file.readAlloc(maximumSize)
      if (Option.isNone(chunk)) break
      length += chunk.value.length
      chunks.push(chunk.value)
    }
    return Buffer.concat(chunks).toString("latin1")
  }).pipe(
    Effect.scoped,
    Effect.asSome,
    Effect.catchTag(
      "PlatformError",
      (error) => Files.isAbsent(error) ? Effect.succeedNone : Effect.fail(unusable("read")(error))
    )
  )
  return Option.isNone(text) ? Option.none() : Option.some(yield* parse(text.value))
})

/** Puts a file in a place where there is none; whether it did. Where files cannot be linked it is done by one at a time. */
const place = (
  fs: FileSystem.FileSystem,
  paths: Path.Path,
  temporary: string,
  path: string
): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Effect.as(fs.link(temporary, path), true).pipe(
    Effect.catchTag("PlatformError", (error) =>
      error.reason._tag === "AlreadyExists"
        ? Effect.succeed(false)
        : Effect.scoped(Effect.gen(function*() {
          // Each program may call the place by another path.
          const real = paths.join(yield* fs.realPath(paths.dirname(path)), paths.basename(path))
          const name = `identity-file-${createHash("sha256").update(real).digest("base64url")}`
          yield* Effect.repeat(Hold.hold(name), {
            until: ({ _tag }) => _tag !== "Taken",
            schedule: Schedule.spaced("10 millis").pipe(Schedule.upTo({ times: 500 }))
          })
          if (yield* fs.exists(path)) return false
          yield* fs.rename(temporary, path)
          return true
        })))
  )

/** Makes the file unless another process did first; whether it did. */
const create = Effect.fnUntraced(function*(path: string): Effect.fn.Return<
  boolean,
  PlatformError.PlatformError,
  Crypto.Crypto | FileSystem.FileSystem | Path.Path
> {
  const crypto = yield* Crypto.Crypto
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const folder = paths.dirname(path)
  yield* Files.makeFolder(fs, paths, folder)

  const random = Buffer.from(crypto.randomBytes(8)).toString("hex")
  const temporary = paths.join(folder, `.${paths.basename(path)}.${process.pid}.${random}.tmp`)
  const made = yield* Effect.scoped(Effect.gen(function*() {
    const file = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })
    yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(temporary, { force: true })))
    yield* file.writeAll(Buffer.from(textOf(crypto.generateKeyPair())))
    yield* file.sync
    return yield* place(fs, paths, temporary, path)
  }))
  // Makes the name durable as well, where folders can be synced.
  yield* Effect.ignore(Effect.scoped(Effect.flatMap(fs.open(folder, { flag: "r" }), (file) => file.sync)))
  return made
})

interface Found {
  readonly keyPair: Crypto.KeyPair
  /** Whether it was made just now, by this call. */
  readonly created: boolean
}

const find = Effect.fnUntraced(function*(path: string, options: Options | undefined): Effect.fn.Return<
  Found,
  IdentityFileError,
  Crypto.Crypto | FileSystem.FileSystem | Path.Path
> {
  // An environment that lacks a variable gives `undefined`, which types do not see and the error is to show.
  const failed = (reason: IdentityFileError["reason"]) => new IdentityFileError({ path: String(path), reason })
  const existing = yield* Effect.mapError(read(path), failed)
  if (Option.isSome(existing)) return { keyPair: existing.value, created: false }
  if (options?.create === false) return yield* failed(new IdentityFileMissing())
  const created = yield* Effect.mapError(create(path), (error) => failed(unusable("create")(error)))
  // Read back, because another process may have been first.
  const made = yield* Effect.mapError(
    read(path),
    (reason) =>
      failed(
        created && reason._tag === "IdentityFileExposed"
          ? new IdentityFileExposed({ mode: reason.mode, created })
          : reason
      )
  )
  if (Option.isSome(made)) return { keyPair: made.value, created }
  const cause = new Error("it was created, and is gone again; or the path is a symbolic link to nothing")
  return yield* failed(new IdentityFileUnusable({ operation: "create", cause }))
})

/**
 * The key pair in the file at `path`, which is made where there is none. It is not held: for programs that show a key, or export it.
 * A node's is `holdFile`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromFile = Effect.fn("NodeIdentity.fromFile")(
  (
    path: string,
    options?: Options
  ): Effect.Effect<Crypto.KeyPair, IdentityFileError, Crypto.Crypto | FileSystem.FileSystem | Path.Path> =>
    Effect.map(find(path, options), ({ keyPair }) => keyPair)
)

// Of a process that is being restarted the old one may still be saying goodbye.
const patience: Duration.Input = "5 seconds"

/**
 * `fromFile`, and the key is held until the scope closes: no other process of this machine, and no other node of this one, gets it as
 * long, by whatever file. Where another has it this waits, by default for 5 seconds, and then fails with `IdentityFileInUse`. A
 * process that crashes holds nothing any more.
 *
 * ```ts
 * const identity = yield* NodeIdentity.holdFile("alice.key")
 * const alice = yield* BasicNode.make({ name: "alice", identity })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const holdFile = Effect.fn("NodeIdentity.holdFile")(
  function*(path: string, options?: HoldOptions): Effect.fn.Return<
    Crypto.KeyPair,
    IdentityFileError,
    Crypto.Crypto | FileSystem.FileSystem | Path.Path | Scope.Scope
  > {
    const { created, keyPair } = yield* find(path, options)
    if (created) {
      yield* Effect.logInfo(
        `made a new identity, ${
          PublicKey.fingerprint(keyPair.publicKey)
        }, in ${path}: whoever has that file is this node`
      )
    }
    // Nobody who does not have the secret knows under which name it is held.
    const name = `identity-${
      createHmac("sha256", Redacted.value(keyPair.secretKey)).update("pnet: a node runs with this key").digest(
        "base64url"
      )
    }`
    const clock = yield* Clock.Clock
    const now = () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
    const until = now() + Duration.toMillis(Duration.fromInputUnsafe(options?.patience ?? patience))
    while (true) {
      const held = yield* Hold.hold(name)
      if (held._tag === "Unavailable") {
        yield* Effect.logWarning(
          Why.see(
            `nothing keeps another process from running with the key in ${path} too, since the system gives no lock: ${held.reason}`,
            "identity-in-use"
          )
        )
      }
      if (held._tag !== "Taken") return keyPair
      if (now() >= until) return yield* new IdentityFileError({ path, reason: new IdentityFileInUse() })
      yield* Effect.sleep("50 millis")
    }
  }
)

/**
 * The identity in the file at `path`, which is made where there is none, and held as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFile = (
  path: string,
  options?: HoldOptions
): Layer.Layer<Identity.Identity, IdentityFileError, Crypto.Crypto | FileSystem.FileSystem | Path.Path> =>
  Layer.effect(Identity.Identity, holdFile(path, options))

/**
 * The file's name for a node's name: the name and `.key`, with whatever is not a small letter, a digit, `_` or `-` as `%` and two
 * hexadecimal digits a byte, so that no name leads out of the folder, and two names never have one file, also where file systems do
 * not tell capitals from small letters.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fileName = (name: NodeName): string =>
  `${
    Array.from(Buffer.from(name), (byte) => {
      const letter = String.fromCharCode(byte)
      return /[a-z0-9_-]/.test(letter) ? letter : `%${byte.toString(16).padStart(2, "0")}`
    }).join("")
  }.key`

/**
 * An identity for each node by its name, in files of a folder, which are made where there are none: `alice` has `alice.key`. Each is held
 * as long as its node runs. Nodes take it where their options have no `identity` and there is no `Identity` service, so it may be
 * provided to a whole program.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFolder = (
  folder: string,
  options?: HoldOptions
): Layer.Layer<Identity.IdentityStore, never, Crypto.Crypto | FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    Identity.IdentityStore,
    Effect.gen(function*() {
      const paths = yield* Path.Path
      // These and no more: the scope that holds a key is the caller's, not this layer's.
      const context = Context.make(Path.Path, paths).pipe(
        Context.add(Crypto.Crypto, yield* Crypto.Crypto),
        Context.add(FileSystem.FileSystem, yield* FileSystem.FileSystem)
      )
      return {
        keyPair: (name) =>
          holdFile(paths.join(folder, fileName(name)), options).pipe(
            Effect.mapError((cause) => new Identity.IdentityStoreError({ name, cause })),
            Effect.provideContext(context)
          )
      }
    })
  )
