/**
 * A node's identity in a file, made at the first start and read at every later one.
 *
 * The file is text: lines that begin with `#` are comments, and the one other line is the secret as base64url.
 *
 *     # The secret key of a pnet node: whoever reads it can pose as this node.
 *     # Public key: hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo=
 *     dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=
 *
 * What bites:
 *
 * - A file that anyone but its owner may read, write or run is refused (not on Windows, where the mode says nothing).
 *   Who the owner is does not matter.
 * - A file is made with mode 0600 under a name of its own, synced, and only then linked to its place. So there is never
 *   half a file, and of several processes that start at once the first makes the key and all others read it. This
 *   needs a file system with hard links; those without (FAT) do not keep modes either.
 * - Two nodes that run at the same time need two files.
 *
 * @since 0.1.0
 */
import * as Crypto from "@pnet/core/Crypto"
import * as Identity from "@pnet/core/Identity"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/**
 * The file may be read, written or run by others than its owner. `mode` has the permission bits.
 *
 * @category errors
 * @since 0.1.0
 */
export class IdentityFileExposed extends Schema.TaggedError<IdentityFileExposed>(
  "@pnet/node/NodeIdentity/IdentityFileExposed"
)("IdentityFileExposed", { mode: Schema.Number }) {}

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
  reason: Schema.Union([IdentityFileExposed, IdentityFileMalformed, IdentityFileMissing, IdentityFileUnusable])
}) {
  override get message() {
    const { path, reason } = this
    switch (reason._tag) {
      case "IdentityFileExposed":
        return `the identity file ${path} has mode ${octal(reason.mode)}, so others than its owner may use it, ` +
          `and was refused; run: chmod 600 ${path} (and delete the file instead if others may have read it)`
      case "IdentityFileMalformed":
        return `the identity file ${path} was refused: ${reason.problem}; expected one line with the base64url text of ` +
          "32 bytes, besides comments; restore it from a backup, or delete it to become a new identity"
      case "IdentityFileMissing":
        return `the identity file ${path} does not exist, and is not to be created`
      case "IdentityFileUnusable": {
        const cause = reason.cause instanceof Error ? reason.cause.message : String(reason.cause)
        return `the identity file ${path} could not be ${reason.operation === "read" ? "read" : "created"}: ${cause}`
      }
    }
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

// A file with its comments is some 200 bytes. What is much longer is something else.
const maximumSize = 4_096

const modeIsMeaningful = process.platform !== "win32"

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
  const lines = text.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#"))
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

const isNotFound = (error: PlatformError.PlatformError): boolean => error.reason._tag === "NotFound"

const unusable = (operation: IdentityFileUnusable["operation"]) => (cause: PlatformError.PlatformError) =>
  new IdentityFileUnusable({ operation, cause })

/** The key pair in the file, or none where there is no file. The mode is that of the file that is read. */
const read = Effect.fnUntraced(function*(path: string): Effect.fn.Return<
  Option.Option<Crypto.KeyPair>,
  IdentityFileError["reason"],
  Crypto.Crypto | FileSystem.FileSystem
> {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.gen(function*() {
    const file = yield* fs.open(path, { flag: "r" })
    const info = yield* file.stat
    if (info.type !== "File") {
      return yield* new IdentityFileMalformed({ problem: `it is not a file but a ${info.type}` })
    }
    const mode = info.mode & 0o7777
    if (modeIsMeaningful && (mode & 0o077) !== 0) return yield* new IdentityFileExposed({ mode })
    if (Number(info.size) > maximumSize) {
      return yield* new IdentityFileMalformed({ problem: `it is ${info.size} bytes long, over ${maximumSize}` })
    }
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
      (error) => isNotFound(error) ? Effect.succeedNone : Effect.fail(unusable("read")(error))
    )
  )
  return Option.isNone(text) ? Option.none() : Option.some(yield* parse(text.value))
})

/** Makes the file unless another process did first. */
const create = Effect.fnUntraced(function*(path: string): Effect.fn.Return<
  void,
  PlatformError.PlatformError,
  Crypto.Crypto | FileSystem.FileSystem | Path.Path
> {
  const crypto = yield* Crypto.Crypto
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const folder = paths.dirname(path)
  yield* fs.makeDirectory(folder, { recursive: true, mode: 0o700 })

  const random = Buffer.from(crypto.randomBytes(8)).toString("hex")
  const temporary = paths.join(folder, `.${paths.basename(path)}.${process.pid}.${random}.tmp`)
  yield* Effect.scoped(Effect.gen(function*() {
    const file = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })
    yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(temporary, { force: true })))
    yield* file.writeAll(Buffer.from(textOf(crypto.generateKeyPair())))
    yield* file.sync
    yield* fs.link(temporary, path).pipe(
      Effect.catchTag(
        "PlatformError",
        (error) => error.reason._tag === "AlreadyExists" ? Effect.void : Effect.fail(error)
      )
    )
  }))
  // Makes the name durable as well, where folders can be synced.
  yield* Effect.ignore(Effect.scoped(Effect.flatMap(fs.open(folder, { flag: "r" }), (file) => file.sync)))
})

/**
 * The key pair in the file at `path`, which is made where there is none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromFile = Effect.fn("NodeIdentity.fromFile")(
  function*(path: string, options?: Options): Effect.fn.Return<
    Crypto.KeyPair,
    IdentityFileError,
    Crypto.Crypto | FileSystem.FileSystem | Path.Path
  > {
    const failed = (reason: IdentityFileError["reason"]) => new IdentityFileError({ path, reason })
    const existing = yield* Effect.mapError(read(path), failed)
    if (Option.isSome(existing)) return existing.value
    if (options?.create === false) return yield* failed(new IdentityFileMissing())
    yield* Effect.mapError(create(path), (error) => failed(unusable("create")(error)))
    // Read back, because another process may have been first.
    const made = yield* Effect.mapError(read(path), failed)
    if (Option.isSome(made)) return made.value
    const cause = new Error("it was created, and is gone again; or the path is a symbolic link to nothing")
    return yield* failed(new IdentityFileUnusable({ operation: "create", cause }))
  }
)

/**
 * The identity in the file at `path`, which is made where there is none.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFile = (
  path: string,
  options?: Options
): Layer.Layer<Identity.Identity, IdentityFileError, Crypto.Crypto | FileSystem.FileSystem | Path.Path> =>
  Layer.effect(Identity.Identity, fromFile(path, options))
