/** The texts of the view of one run. @type {Record<string, string>} */
export default {};
