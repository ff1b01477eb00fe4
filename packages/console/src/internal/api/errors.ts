/** Why something that the page asked for did not come. */
import * as Schema from "effect/Schema"

/**
 * The console shows, and does not act: it was started without `act`.
 *
 * @category errors
 * @since 0.2.0
 */
export class NotActingError extends Schema.TaggedError<NotActingError>("@pnet/console/ConsoleApi/NotActingError")(
  "NotActingError",
  { action: Schema.String, hint: Schema.String }
) {
  override get message() {
    return `this console does not ${this.action}: it only shows`
  }
}

/**
 * Something that was asked for failed. `error` is the tag of what it failed with, `message` what that says.
 *
 * @category errors
 * @since 0.2.0
 */
export class FailedError extends Schema.TaggedError<FailedError>("@pnet/console/ConsoleApi/FailedError")(
  "FailedError",
  {
    error: Schema.String,
    message: Schema.String,
    /** What to do about it. */
    hint: Schema.optionalKey(Schema.String)
  }
) {}

/**
 * There is as much of it open as there may be.
 *
 * @category errors
 * @since 0.2.0
 */
export class BusyError extends Schema.TaggedError<BusyError>("@pnet/console/ConsoleApi/BusyError")("BusyError", {
  what: Schema.String,
  most: Schema.Int
}) {
  override get message() {
    return `the console has ${this.most} ${this.what} open, which is as many as there may be; close a page, or end one of them`
  }
}
