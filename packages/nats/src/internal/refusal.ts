/** What it means that JetStream did not take something. */

/** - `Unsure`: it may have taken it */
export type Refusal = "TooLarge" | "Full" | "NoStream" | "NoServer" | "Unsure"

const tooLarge = 10_054
const full = /maximum|exceeded|insufficient|limits|resources/i

export const refusalOf = (cause: unknown): Refusal => {
  if (!(cause instanceof Error)) return "Unsure"
  const { code } = cause as Error & { readonly code?: unknown }
  // The server's own answer: it has not taken it.
  if (cause.name === "JetStreamApiError") {
    return code === tooLarge
      ? "TooLarge"
      : full.test(cause.message)
      ? "Full"
      : "NoStream"
  }
  if (/max_payload|maximum payload/i.test(cause.message)) return "TooLarge"
  if (
    /JetStreamNotEnabled|NoResponders|PermissionViolation/.test(cause.name) ||
    /Permissions Violation/i.test(cause.message)
  ) {
    return "NoStream"
  }
  return /ClosedConnection|DrainingConnection/.test(cause.name) ? "NoServer" : "Unsure"
}
