// Shows the API's description. Addresses are relative, so that the page also works behind a proxy's prefix.
'use strict';

window.SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#api',
  deepLinking: true,
  docExpansion: 'list',
  // Would ask a server elsewhere whether the document is valid.
  validatorUrl: null,
  // To change something is the console's, where one is asked first.
  supportedSubmitMethods: ['get'],
});
