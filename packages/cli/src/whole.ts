/**
 * Starts the command with all that modules of functions may import.
 */
import "./serve/library.ts"
import "./start.ts"
