/**
 * What an error of a call means for where it goes next: whether the function surely did not run, may have run, or gave an answer. Only what pnet itself
 * says of a call gets here; what a handler failed with is an answer, whatever it looks like.
 */
import type { NameConflictError, PeerUnknownError } from "../../Peers.ts"
import type * as Sessions from "../../Sessions.ts"
import { isDraining } from "../session/refused.ts"
import type { Verdict } from "./run.ts"

const ofReset = ({ code, detail, remote }: Sessions.StreamResetError): Verdict => {
  switch (code) {
    case "refused":
      // This side refuses nothing by itself.
      return !remote ? "unknown" : isDraining(detail) ? "leaves" : "busy"
    case "not_found":
    case "unsupported":
      return remote ? "notRun" : "unknown"
    case "deadline":
      return "expired"
    case "going_away":
    case "cancelled":
      return "mayHaveRun"
    case "internal":
      return remote ? "broke" : "unknown"
    default:
      return "final"
  }
}

/** Errors of a call, by their tags. Each of them is one of pnet's own. */
export const verdictOf = (
  error: { readonly _tag: string; readonly mayHaveRun?: boolean } | PeerUnknownError | NameConflictError
): Verdict => {
  switch (error._tag) {
    case "StreamResetError":
      return ofReset(error as Sessions.StreamResetError)
    case "PeerLostError":
    case "ContractError":
      return (error as { readonly mayHaveRun: boolean }).mayHaveRun
        // Its answer is no answer that this side understands: it has run, and would be misunderstood again.
        ? error._tag === "ContractError" ? "final" : "mayHaveRun"
        : "notRun"
    // There was no session with it, or it has the function no more.
    case "PeerUnknownError":
    case "NameConflictError":
    case "DialError":
    case "ProtocolError":
    case "UntrustedPeerError":
    case "UnknownFunctionError":
    // Nothing was sent.
    case "HeadersUnsupportedError":
    // Another may let this caller; and who lets nobody would be given all calls for being quick, were that an answer.
    case "NotAllowedError":
      return "notRun"
    case "RemoteDefectError":
      return "broke"
    case "DeadlineError":
      return "expired"
    case "InputFailed":
      return "unknown"
    default:
      return "final"
  }
}
