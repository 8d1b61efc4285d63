// Shows the API's description. Addresses are relative, so that the page also works behind a proxy's prefix.
'use strict';

window.SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#api',
  deepLinking: true,
  docExpansion: 'list',
  // Would ask a server elsewhere whether the document is valid.
  validatorUrl: null,
  // The server takes nothing from a web page whose origin is not listed, its own included, but for reading.
  supportedSubmitMethods: ['get'],
});
