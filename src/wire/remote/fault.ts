/** The bytes are not frames of this protocol. The stream cannot be trusted any further. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}
