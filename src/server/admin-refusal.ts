/** The other side of an administrative call said no, in words for a person. */
export class AdminRefusal extends Error {
  override readonly name = 'AdminRefusal'
}
