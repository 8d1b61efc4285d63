/** The texts of everything but the view of one run. @type {Record<string, string>} */
export default {
  'app.name': 'OpenRunner',
};
