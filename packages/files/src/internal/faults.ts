/** What a system refused, as one of the kinds that a program can act on. */
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import { FileError, type FileErrorKind } from "../TransferError.ts"

const kinds: Record<string, FileErrorKind> = {
  ENOSPC: "DiskFull",
  EDQUOT: "DiskFull",
  EFBIG: "DiskFull",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EROFS: "PermissionDenied",
  ENAMETOOLONG: "PathTooLong",
  EISDIR: "InTheWay",
  ENOTDIR: "InTheWay",
  ENOTEMPTY: "InTheWay",
  EILSEQ: "NameRefused",
  EINVAL: "SystemError"
}

/** The name of the system's error, where it has said one. */
export const codeOf = (cause: unknown): string | undefined => {
  for (let at = cause, depth = 0; depth < 5 && typeof at === "object" && at !== null; depth++) {
    if ("code" in at && typeof at.code === "string") return at.code
    at = "cause" in at && at.cause !== undefined ? at.cause : "reason" in at ? at.reason : undefined
  }
  return undefined
}

/** What went wrong with a file, of which the system said this. */
export const fileError = (path: string, error: PlatformError): FileError => {
  const code = codeOf(error)
  const kind = kinds[code ?? ""] ?? (error.reason._tag === "PermissionDenied" ? "PermissionDenied" : "SystemError")
  const detail = code === undefined ? error.reason._tag : code
  return new FileError({ path, kind, detail: `${error.reason.module}.${error.reason.method}: ${detail}` })
}

export const isNotFound = (error: PlatformError): boolean => error.reason._tag === "NotFound"
export const isTaken = (error: PlatformError): boolean => error.reason._tag === "AlreadyExists"

export const sizeOf = (info: FileSystem.File.Info): number => Number(info.size)
/** Milliseconds since the epoch; 0 where the system does not say. */
export const mtimeOf = (info: FileSystem.File.Info): number =>
  Option.match(info.mtime, { onNone: () => 0, onSome: (date) => date.getTime() })

/** As a file system takes a time. Systems cut it to something finer than a millisecond, which is then the one before: a microsecond more makes up for that. */
export const secondsOf = (millis: number): number => (millis + 0.001) / 1_000
